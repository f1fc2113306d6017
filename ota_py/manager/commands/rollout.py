"""`rollout`: bring an update to gateways, in batches."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.contract.fleet import ACTIVE_ROLLOUTS
from ota_py.errors import OtaError, RolloutNotStartedError, UsageError
from ota_py.manager.context import CommandContext

if TYPE_CHECKING:
    from ota_py.manager.rollout.request import RolloutRequest


@click.command("rollout")
@click.option("--version", help="The update to bring.")
@click.option("--gateways", metavar="ID,ID,...", help="These gateways, in this order.")
@click.option("--group", help="All gateways of this group at the control plane.")
@click.option(
    "--percentage",
    metavar="N[,N...]",
    help="Size of the batches, or a ramp: 10,50,100 [default: one gateway alone, then 25%, then 100%].",
)
@click.option("--stagger", metavar="MINUTES", default="0", show_default=True, help="Between two batches.")
@click.option(
    "--max-failures",
    metavar="N|N%",
    default="0",
    show_default=True,
    help="How many gateways may fail or roll back before the rollout stops.",
)
@click.option("--resume", metavar="ID", type=click.IntRange(1), help="Go on with a rollout where it stopped.")
@click.option("--abort", metavar="ID", type=click.IntRange(1), help="End a rollout for good.")
@click.option("--dry-run", is_flag=True, help="Show the batches; record and touch nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before a rollout whose gateways are not named.")
@json_option
@click.pass_obj
def command(
    context: CommandContext,
    /,
    *,
    resume: int | None,
    abort: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Bring an update to gateways, batch by batch, and stop when too many fail.

    Each gateway is pushed to by SSH or pulls, as the inventory says. Exit status: 0 all have the update,
    41 some rolled back, failed or could not be reached, 40 stopped by failures or aborted, 42 not started,
    130 interrupted (paused).

    \b
    Examples:
      ota_manager.py rollout --version 1.2.0 --gateways "boston_001,boston_002,boston_003" \\
        --percentage 50 --stagger 5
      ota_manager.py rollout --version 1.2.0 --group boston --percentage 10,50,100 --max-failures 2%
      ota_manager.py rollout --resume 7
    """
    _check_exclusive(resume, abort, options)
    if abort is not None:
        return _abort(context, abort, as_json)
    if resume is not None:
        return _carry_out(context, _resumable(context, resume), as_json)
    request = _request(context, options, ask=not (yes or dry_run), as_json=as_json)
    if dry_run:
        return _preview(context, request, as_json)
    return _carry_out(context, _created(context, request), as_json)


def _check_exclusive(resume: int | None, abort: int | None, options: dict[str, Any]) -> None:
    chosen = [name for name, value in (("--resume", resume), ("--abort", abort)) if value is not None]
    if len(chosen) + bool(options["version"]) != 1:
        raise UsageError("give one of --version, --resume and --abort", hint="see `rollout --help`")
    given = [name for name in ("gateways", "group", "percentage") if options[name]]
    if chosen and given:
        raise UsageError(f"{chosen[0]} takes no --{given[0]}: the rollout keeps what it was created with")
    if options["gateways"] and options["group"]:
        raise UsageError("give --gateways or --group, not both")


def _request(context: CommandContext, options: dict[str, Any], *, ask: bool, as_json: bool) -> RolloutRequest:
    from ota_py.manager.rollout.inventory import load_deliveries
    from ota_py.manager.rollout.play_steps import checked_request
    from ota_py.manager.rollout.request import (
        parse_gateways,
        parse_max_failures,
        parse_percentage,
        parse_stagger,
    )
    from ota_py.names import parse_version

    # The options are checked before Ansible lists the inventory, which takes a second.
    parse_version(options["version"])
    parse_percentage(options["percentage"])
    parse_stagger(options["stagger"])
    parse_max_failures(options["max_failures"])
    if options["gateways"] is not None:
        parse_gateways(options["gateways"])
    try:
        if options["group"]:
            options["gateways"] = _of_group(context, options["group"])
        inventory = load_deliveries(context.config.ansible.inventory, context.config.path)
        request = checked_request({**options, "inventory": inventory})
    except OtaError as error:
        raise _not_started(error) from None
    if options["gateways"] is None and ask:
        _confirm(len(request.gateways), request.version, as_json)
    return request


def _of_group(context: CommandContext, group: str) -> str:
    gateways = context.control_plane.gateways(group=group)
    if not gateways:
        raise UsageError(f"no gateway is in the group {group!r}", hint="`ota_manager.py gateways` shows groups")
    return ",".join(gateway["id"] for gateway in gateways)


def _confirm(count: int, version: str, as_json: bool) -> None:
    if not count:
        raise RolloutNotStartedError("the inventory has no gateways", hint="add them to its group `gateways`")
    if as_json or not sys.stdin.isatty():
        raise UsageError(
            f"this would bring {version} to all {count} gateways of the inventory",
            hint="name them with --gateways or --group, or confirm with --yes",
        )
    click.confirm(f"Bring {version} to all {count} gateways of the inventory?", abort=True, err=True)


def _created(context: CommandContext, request: RolloutRequest) -> dict[str, Any]:
    try:
        return context.control_plane.create_rollout(request.as_json())
    except OtaError as error:
        raise _not_started(error) from None


def _resumable(context: CommandContext, rollout_id: int) -> dict[str, Any]:
    try:
        rollout = context.control_plane.rollout(rollout_id)
    except OtaError as error:
        raise _not_started(error) from None
    if rollout["state"] not in ACTIVE_ROLLOUTS:
        raise RolloutNotStartedError(
            f"rollout {rollout_id} is {rollout['state']}, so it cannot be resumed",
            hint="start a new rollout for the gateways that are left",
        )
    return rollout


def _not_started(error: OtaError) -> RolloutNotStartedError:
    details = {**error.details, "cause": error.code}
    return RolloutNotStartedError(f"the rollout did not start: {error.message}", hint=error.hint, **details)


def _preview(context: CommandContext, request: RolloutRequest, as_json: bool) -> int:
    try:
        plan = context.control_plane.plan_rollout(request.as_json())
    except OtaError as error:
        raise _not_started(error) from None
    if as_json:
        echo_json({"plan": plan})
        return 0
    click.echo(f"{plan['version']}: {len(plan['gateways'])} gateways in {len(plan['batch_sizes'])} batches")
    for number in range(len(plan["batch_sizes"])):
        members = [g for g in plan["gateways"] if g["batch"] == number]
        named = ", ".join(f"{g['id']} ({g['delivery']})" for g in members[:10])
        more = f" and {len(members) - 10} more" if len(members) > 10 else ""
        click.echo(f"  batch {number + 1}: {named}{more}")
    click.echo(
        f"{plan['stagger_minutes']:g} minutes between batches; "
        f"stops when more than {plan['allowed_failures']} fail. Nothing was recorded."
    )
    return 0


def _carry_out(context: CommandContext, rollout: dict[str, Any], as_json: bool) -> int:
    from rich.console import Console

    from ota_py.manager.rollout.play import Play
    from ota_py.manager.rollout.progress import make_view
    from ota_py.manager.rollout.run import run_rollout, verdict

    # A service manager's stop is treated as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = context.config
    play = Play(rollout["id"], rollout["version"], config.ansible.inventory, config.path)
    view = make_view(Console(), silent=as_json)
    ended = run_rollout(context.control_plane, play, view)
    error = verdict(ended)
    if as_json:
        echo_json({"rollout": ended} | ({"error": error.as_dict()} if error else {}))
        return error.exit_status if error else 0
    if error:
        raise error
    click.echo(f"Rollout {ended['id']}: {ended['version']} is on all {len(ended['gateways'])} gateways.")
    return 0


def _abort(context: CommandContext, rollout_id: int, as_json: bool) -> int:
    rollout = context.control_plane.abort_rollout(rollout_id, "aborted by the operator")
    if as_json:
        echo_json({"rollout": rollout})
    else:
        click.echo(f"Rollout {rollout_id} is aborted. Gateways that have begun finish by themselves.")
    return 0
