"""Django settings of the control plane; everything that varies comes from the environment."""

from __future__ import annotations

import sys
from pathlib import Path

from ota_py.server.database import database_settings
from ota_py.server.environment import from_environment, networks, read_secret_key

SERVER = from_environment()

SECRET_KEY = read_secret_key(SERVER.secret_key_file)
DEBUG = False
ALLOWED_HOSTS = list(SERVER.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(SERVER.trusted_origins)

INSTALLED_APPS = [
    "ota_py.server.site.OtaAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "ota_py.server.fleet",
    "ota_py.server.updates",
    "ota_py.server.rollouts",
    "ota_py.server.events",
    "ota_py.server.tokens",
]

# The API has no cookies and no pages: its requests pass these by (see middleware.py).
MIDDLEWARE = [
    "ota_py.server.api.outside.outside_errors",
    "ota_py.server.http.proxy.forwarded",
    "ota_py.server.middleware.Security",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ota_py.server.middleware.AdminSession",
    "ota_py.server.middleware.Common",
    "ota_py.server.middleware.Csrf",
    "ota_py.server.middleware.Authentication",
    "ota_py.server.middleware.Messages",
    "ota_py.server.middleware.FrameOptions",
    "ota_py.server.middleware.Printable",
]

ROOT_URLCONF = "ota_py.server.urls"
WSGI_APPLICATION = "ota_py.server.wsgi.application"
DATABASES = {"default": database_settings(SERVER.database)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = ["ota_py.server.formats"]

HERE = Path(__file__).parent
STATIC_URL = "/static/"
STATICFILES_DIRS = [HERE / "static"]
# Served from the installed packages by WhiteNoise: no collectstatic step to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"ota": "ota_py.server.templatetags.ota"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# What the proxy in front says of client and scheme, and nobody else (see proxy.py).
TRUSTED_PROXIES = networks(SERVER.trusted_proxies)
USE_X_FORWARDED_HOST = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SERVER.https else None
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = SERVER.https
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_SECURE = SERVER.https
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 30 * 86400 if SERVER.https else 0

REQUEST_MAX_BYTES = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = REQUEST_MAX_BYTES

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Tokens travel in a header and passwords in a body: neither is logged, nor are request bodies.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "ota_py.server.http.log.LineFormatter", "format": LOG_FORMAT},
        "line without trace": {"()": "ota_py.server.http.log.LineFormatter", "format": LOG_FORMAT, "with_trace": False},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": "line"},
        "one line": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": "line without trace"},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        # A foreign Host header and the like: the sender's doing, which needs no trace of ours.
        "django.security": {"handlers": ["one line"], "level": "WARNING", "propagate": False},
        # A refused request is the client's matter; a line for each would let anybody fill the disk.
        "django.request": {"level": "ERROR"},
        # It logs each key that did not sign, also where another one suffices.
        "tuf": {"level": "WARNING"},
    },
}
