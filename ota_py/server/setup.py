"""Set-up of the control plane for `init` and `serve`: tables, an admin, a token, and upkeep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

from ota_py.contract.fleet import TokenRole
from ota_py.server.environment import ServerSettings, ensure_secret_key


def migrate(settings: ServerSettings) -> None:
    """Make the settings those of this process, and bring the database's tables up to date.

    Call it first: the other functions here, and Django itself, then use the same database.

    Raises:
        ConfigError: a secret key file or database URL that cannot be used.
        ControlPlaneError: the database cannot be reached or written.
    """
    configure(settings)
    from django.core.management import call_command
    from django.db import DatabaseError

    from ota_py.errors import ControlPlaneError

    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise ControlPlaneError(f"the control plane's database cannot be used: {error}") from None


def delete_events(before: datetime) -> Iterator[int]:
    """Delete old events batch by batch; yields how many each batch had. See `events/retention.py`.

    Args:
        before: with time zone.

    Raises:
        ControlPlaneError: the database cannot be reached or written.
    """
    from django.db import DatabaseError, connection

    from ota_py.errors import ControlPlaneError
    from ota_py.server.events.retention import delete_before

    try:
        yield from delete_before(before)
    except DatabaseError as error:
        raise ControlPlaneError(f"old events could not be deleted: {error}") from None
    finally:
        connection.close()  # it may be long until the next time


def configure(settings: ServerSettings) -> None:
    """Export the settings for this process and its children, and start Django with them."""
    import django

    if settings.secret_key_file:
        ensure_secret_key(settings.secret_key_file)
    os.environ.update(settings.to_environment())
    os.environ["DJANGO_SETTINGS_MODULE"] = "ota_py.server.settings"
    django.setup()


def create_operator_token(name: str, role: str = TokenRole.OPERATOR) -> str:
    """Create an API token for a person or program and return its secret, which is kept nowhere.

    Raises:
        UsageError: the role is neither `operator` nor `reader`.
    """
    from ota_py.server.tokens.services import create_token

    return create_token(name=name, role=role)


def ensure_admin(username: str, password: str) -> bool:
    """Create the admin's superuser unless a user of that name exists; return whether it was created.

    Raises:
        UsageError: the password is too weak.
    """
    from ota_py.server.tokens.services import ensure_superuser

    return ensure_superuser(username, password)
