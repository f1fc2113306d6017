"""The database URL as Django's settings: SQLite tuned for one machine, PostgreSQL by libpq's own rules."""

from __future__ import annotations

import re
from typing import Any

from ota_py.errors import ConfigError

SQLITE_BUSY_SECONDS = 20
# WAL lets polls read while a report is written; NORMAL syncs at checkpoints, which a WAL database survives.
SQLITE_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
URL_HINT = "write the special characters of a password as %XX: %2F for /, %40 for @, %25 for %"
LIBPQ_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def database_settings(url: str) -> dict[str, Any]:
    """Django's `DATABASES["default"]` for a `sqlite:///` or `postgresql://` URL.

    Connections stay open (`CONN_MAX_AGE` None): connecting for each request costs more than most requests.

    Raises:
        ConfigError: another scheme, or a URL that libpq does not understand.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return _sqlite(rest[1:])
    if scheme in {"postgresql", "postgres"}:
        return _postgresql(url)
    raise ConfigError(
        "the database URL is neither sqlite:///FILE nor postgresql://...",
        hint="for example sqlite:///control-plane.sqlite3 or postgresql://ota@localhost/ota",
    )


def shown_database(url: str) -> str:
    """A database URL as messages show it: without user, password and options.

    Raises:
        ConfigError: see `database_settings`.
    """
    settings = database_settings(url)
    if url.startswith("sqlite:"):
        return url
    host, port = settings.get("HOST", ""), settings.get("PORT", "")
    return f"postgresql://{host}{f':{port}' if port else ''}/{settings.get('NAME', '')}"


def _sqlite(path: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": SQLITE_BUSY_SECONDS,
            # In SQLite a transaction that reads first cannot wait to write later: lock at BEGIN.
            "transaction_mode": "IMMEDIATE",
            "init_command": SQLITE_PRAGMAS,
        },
    }


def _postgresql(url: str) -> dict[str, Any]:
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise ConfigError(
            "the database is PostgreSQL, and its driver psycopg is not installed",
            hint="run `pip install 'ota-py[postgresql]'`",
        ) from None
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        # What libpq quotes may be the password.
        words = re.sub(r'"[^"]*"', '"..."', str(error).strip())
        raise ConfigError(f"the PostgreSQL URL is not valid: {words}", hint=URL_HINT) from None
    named = {name: str(parts.pop(key)) for key, name in LIBPQ_NAMES.items() if key in parts}
    if not re.fullmatch("[0-9,]*", named.get("PORT", "")):
        raise ConfigError("the PostgreSQL URL has a port that is no number", hint=URL_HINT)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": parts,
        **named,
    }
