"""`django-admin create_token NAME`: print a new API token."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ota_py.contract.fleet import TokenRole
from ota_py.errors import OtaError
from ota_py.server.tokens.services import create_token


class Command(BaseCommand):
    """Create an API token for a person or program."""

    help = "Create an API token and print it. Only its hash is kept: it cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        """The arguments: name and role."""
        parser.add_argument("name", help="who uses it, for example the operator's name")
        parser.add_argument(
            "--role", default=TokenRole.OPERATOR, choices=[TokenRole.OPERATOR.value, TokenRole.READER.value]
        )

    def handle(self, *args: Any, **options: Any) -> str:
        """Create the token and print it."""
        try:
            return create_token(name=options["name"], role=options["role"])
        except OtaError as error:
            raise CommandError(error.message) from None
