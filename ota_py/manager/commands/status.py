"""`status`: the fleet and its rollouts, or one rollout and each of its gateways."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.contract.fleet import ACTIVE_ROLLOUTS
from ota_py.manager.context import CommandContext

if TYPE_CHECKING:
    from rich.console import Group

REFRESH_SECONDS = 2.0
ROLLOUTS_SHOWN = 10


@click.command("status")
@click.argument("rollout", metavar="[ROLLOUT]", type=click.IntRange(1), required=False)
@click.option("--watch", is_flag=True, help="Show again and again, until the rollout ends or Ctrl-C.")
@json_option
@click.pass_obj
def command(context: CommandContext, /, *, rollout: int | None, watch: bool, as_json: bool) -> None:
    """Show the fleet and its rollouts, or one rollout with each gateway and its reason.

    \b
    Examples:
      ota_manager.py status
      ota_manager.py status 7 --watch
    """
    from rich.console import Console

    if as_json:
        echo_json(_read(context, rollout))
        return
    if watch:
        _watch(context, rollout)
        return
    Console().print(_render(_read(context, rollout)))


def _read(context: CommandContext, rollout: int | None) -> dict[str, Any]:
    if rollout is not None:
        return {"rollout": context.control_plane.rollout(rollout)}
    return {
        "statistics": context.control_plane.statistics(),
        "rollouts": context.control_plane.rollouts()[:ROLLOUTS_SHOWN],
    }


def _watch(context: CommandContext, rollout: int | None) -> None:
    from rich.live import Live

    data = _read(context, rollout)
    with Live(_render(data), auto_refresh=False) as live:
        while "rollout" not in data or data["rollout"]["state"] in ACTIVE_ROLLOUTS:
            time.sleep(REFRESH_SECONDS)
            data = _read(context, rollout)
            live.update(_render(data), refresh=True)


def _render(data: dict[str, Any]) -> Group:
    from ota_py.manager.rollout.status_view import fleet_view, rollout_view

    return rollout_view(data["rollout"]) if "rollout" in data else fleet_view(**data)
