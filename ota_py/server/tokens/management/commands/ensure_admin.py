"""`django-admin ensure_admin USERNAME < password`: the admin's first user."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ota_py.errors import OtaError
from ota_py.server.tokens.services import ensure_superuser


class Command(BaseCommand):
    """Create the admin's superuser unless it exists."""

    help = "Create a superuser unless the name exists. The password is read from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        """The argument: the user name. The password is none, because arguments are visible to other users."""
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> str:
        """Create the superuser and print what was done."""
        try:
            created = ensure_superuser(options["username"], sys.stdin.readline().rstrip("\n"))
        except OtaError as error:
            raise CommandError(error.message) from None
        return f"user {options['username']} {'created' if created else 'exists already'}"
