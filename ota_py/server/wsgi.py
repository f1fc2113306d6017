"""WSGI entry point: `granian --interface wsgi ota_py.server.wsgi:application`."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ota_py.server.settings")

application = get_wsgi_application()
