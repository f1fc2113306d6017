"""`withdraw`: take an update out of use."""

from __future__ import annotations

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.context import CommandContext


@click.command("withdraw")
@click.argument("version")
@json_option
@click.pass_obj
def command(context: CommandContext, /, *, version: str, as_json: bool) -> None:
    """Take an update out of use for good: no rollout may start with it, and its active ones are aborted.

    Gateways that run it keep running it; bring them elsewhere with a rollout of another version.

    \b
    Example:
      ota_manager.py withdraw 1.2.0
    """
    update = context.control_plane.withdraw_update(version)
    if as_json:
        echo_json({"update": update})
    else:
        click.echo(f"Update {version} is {update['state']}.")
