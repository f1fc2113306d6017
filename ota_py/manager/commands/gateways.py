"""`gateways`: list gateways, register them, and give them new tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.contract.fleet import Delivery
from ota_py.manager.context import CommandContext
from ota_py.manager.controlplane.new_token import show_token, with_token

FILE = click.Path(path_type=Path)
HEADER = (
    "id",
    "delivery",
    "version",
    "state",
    "notes",
    "online",
    "last seen",
    "groups",
    "hardware",
    "address",
)

token_file_option = click.option("--token-file", type=FILE, help="Write the gateway's token to this new file (0600).")


@click.group("gateways", invoke_without_command=True)
@click.option("--state", help="Only gateways in this state, such as IDLE or BROKEN.")
@click.option("--group", help="Only gateways of this group.")
@click.option("--version", help="Only gateways that run this version.")
@click.option("--differs", is_flag=True, default=None, help="Only those that run other images than their update names.")
@json_option
@click.pass_context
def command(ctx: click.Context, /, *, as_json: bool, **filters: Any) -> None:
    """List the gateways, or manage them with a command below.

    \b
    Examples:
      ota_manager.py gateways
      ota_manager.py gateways --group boston --version 1.1.0 --json
      ota_manager.py gateways add boston_001 --delivery push --address 10.0.0.11 \\
        --group boston --token-file tokens/boston_001
    """
    if ctx.invoked_subcommand:
        return
    from ota_py.manager.console.table import echo_table

    context: CommandContext = ctx.obj
    gateways = context.control_plane.gateways(**filters)
    if as_json:
        echo_json({"gateways": gateways})
        return
    rows = [[_shown(gateway, name) for name in HEADER] for gateway in gateways]
    echo_table(HEADER, rows, "There are no such gateways; `ota_manager.py gateways add --help` shows how to.")


def _shown(gateway: dict[str, Any], name: str) -> Any:
    if name != "notes":
        return gateway[name.replace(" ", "_")]
    notes = [f"runs another image: {' '.join(gateway['differing'])}"] if gateway["differing"] else []
    notes += ["refuses updates: metadata is stale"] if gateway["freshness_problem"] else []
    return notes + (["its files were changed by hand"] if gateway["files_problem"] else [])


@command.command("add")
@click.argument("gateway", metavar="ID")
@click.option(
    "--delivery",
    type=click.Choice([how.value for how in Delivery]),
    required=True,
    help="push: the controller comes by SSH. pull: the gateway's agent fetches.",
)
@click.option("--address", default="", help="Where SSH reaches it.")
@click.option("--group", "groups", multiple=True, help="A group; can be given several times.")
@click.option("--hardware", default="", help="Kind of hardware.")
@token_file_option
@json_option
@click.pass_obj
def add(
    context: CommandContext,
    /,
    *,
    gateway: str,
    token_file: Path | None,
    as_json: bool,
    groups: tuple[str, ...],
    **fields: Any,
) -> None:
    """Register a gateway at the control plane. Its token is shown once, or written to --token-file.

    \b
    Example:
      ota_manager.py gateways add boston_001 --delivery push --address 10.0.0.11 \\
        --group boston --hardware x86-box --token-file tokens/boston_001
    """
    from ota_py.names import check_gateway_id

    check_gateway_id(gateway)
    answer = with_token(token_file, lambda: context.control_plane.add_gateway(gateway, groups=groups, **fields))
    show_token(answer, token_file, as_json, f"Gateway {gateway} is registered.")


@command.command("change")
@click.argument("gateway", metavar="ID")
@click.option("--delivery", type=click.Choice([how.value for how in Delivery]), help="How updates reach it.")
@click.option("--address", help="Where SSH reaches it.")
@click.option("--group", "groups", multiple=True, help="All its groups from now on.")
@click.option("--hardware", help="Kind of hardware.")
@json_option
@click.pass_obj
def change(context: CommandContext, /, *, gateway: str, as_json: bool, **fields: Any) -> None:
    """Change a gateway; what is not given stays as it is."""
    from ota_py.errors import UsageError

    given = {name: value for name, value in fields.items() if value not in (None, ())}
    if not given:
        raise UsageError("nothing to change was given", hint="see `gateways change --help`")
    answer = context.control_plane.change_gateway(gateway, **given)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"Gateway {gateway} is changed: {', '.join(given)}.")


@command.command("token")
@click.argument("gateway", metavar="ID")
@token_file_option
@json_option
@click.pass_obj
def token(context: CommandContext, /, *, gateway: str, token_file: Path | None, as_json: bool) -> None:
    """Give a gateway a new token; the one before is revoked at once."""
    answer = with_token(token_file, lambda: context.control_plane.rotate_gateway_token(gateway))
    show_token(answer, token_file, as_json, f"Gateway {gateway} has a new token; the old one is revoked.")
