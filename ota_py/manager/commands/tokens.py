"""`tokens`: list, make and revoke the tokens of the control plane's API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.contract.fleet import TokenRole
from ota_py.manager.context import CommandContext
from ota_py.manager.controlplane.new_token import show_token, with_token

FILE = click.Path(path_type=Path)
HEADER = ("id", "name", "role", "gateway", "state", "created at", "created by", "expires at", "last used at")
DAYS_MAX = 36_500


@click.group("tokens")
def command() -> None:
    """List, make and revoke the tokens of the control plane's API.

    Each person and program has a token of its own, so that the record says who did what.

    \b
    Examples:
      ota_manager.py tokens list
      ota_manager.py tokens create olga --expires-days 90 --token-file olga.token
      ota_manager.py tokens revoke 7
    """


@command.command("list")
@click.option("--gateway", metavar="ID", help="Only those of this gateway.")
@json_option
@click.pass_obj
def list_tokens(context: CommandContext, /, *, gateway: str | None, as_json: bool) -> None:
    """List the tokens, the newest first: never the secrets, which are not kept."""
    from ota_py.manager.console.table import echo_table

    tokens = context.control_plane.tokens(gateway=gateway)
    if as_json:
        echo_json({"tokens": tokens})
        return
    rows = [[token[name.replace(" ", "_")] for name in HEADER] for token in tokens]
    echo_table(HEADER, rows, "There are no such tokens; `ota_manager.py tokens create --help` shows how to make one.")


@command.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in TokenRole]),
    default=TokenRole.OPERATOR.value,
    show_default=True,
    help="operator: everything. reader: read everything. gateway: one gateway's own paths.",
)
@click.option("--gateway", metavar="ID", help="The gateway, for the role gateway; its other tokens stay valid.")
@click.option("--expires-days", type=click.IntRange(1, DAYS_MAX), help="Days that it holds [default: until revoked].")
@click.option("--token-file", type=FILE, help="Write the token to this new file (0600).")
@json_option
@click.pass_obj
def create(
    context: CommandContext,
    /,
    *,
    name: str,
    expires_days: int | None,
    token_file: Path | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Make a token for NAME: a person, a program. It is shown once, or written to --token-file.

    \b
    Example:
      ota_manager.py tokens create dashboard --role reader --expires-days 365 --token-file dashboard.token
    """
    expires_at = None
    if expires_days is not None:
        expires_at = (datetime.now(UTC) + timedelta(days=expires_days)).isoformat(timespec="seconds")
    answer = with_token(token_file, lambda: context.control_plane.add_token(name, expires_at=expires_at, **fields))
    lasts = f"holds until {answer['expires_at']}" if answer["expires_at"] else "holds until it is revoked"
    show_token(answer, token_file, as_json, f"Token {answer['id']} of {name} ({answer['role']}) is made; it {lasts}.")


@command.command("revoke")
@click.argument("number", metavar="ID", type=click.IntRange(1))
@json_option
@click.pass_obj
def revoke(context: CommandContext, /, *, number: int, as_json: bool) -> None:
    """Revoke a token, at once and for good; `tokens list` shows its number."""
    answer = context.control_plane.revoke_token(number)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"Token {number} of {answer['name']} ({answer['role']}) is revoked.")
