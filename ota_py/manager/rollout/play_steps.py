"""Steps of a play at the control plane, one for each state of the module `ota_rollout`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ota_py import names
from ota_py.contract.fleet import ACTIVE_ROLLOUTS, GatewayResult
from ota_py.errors import ConflictError, RolloutIncompleteError
from ota_py.manager.controlplane.client import ControlPlane
from ota_py.manager.rollout.gate import call_with_retries
from ota_py.manager.rollout.request import (
    RolloutRequest,
    choose_gateways,
    open_batches,
    parse_gateways,
    parse_max_failures,
    parse_percentage,
    parse_stagger,
    play_hosts,
    serial_sizes,
    shortfall,
)

Json = dict[str, Any]


def take(control_plane: ControlPlane, options: Mapping[str, Any], *, check_mode: bool) -> Json:
    """Take the step that `options["state"]` names and return the module's result.

    Raises:
        UsageError, NotFoundError, ConflictError, ControlPlaneError: what is wrong with the request.
        RolloutIncompleteError: finished, but not every gateway has the update.
    """
    if options["state"] == "planned":
        return _plan(control_plane, options, check_mode)
    if check_mode:
        return {"changed": True, "rollout": options["rollout"], "hosts": [], "serial": []}
    return STEPS[options["state"]](control_plane, options)


def checked_request(options: Mapping[str, Any]) -> RolloutRequest:
    """The rollout request in a play's variables or a command's options, checked; an empty value is none.

    Raises:
        UsageError, NotFoundError: what is wrong with it.
    """
    inventory = options["inventory"]
    wanted = parse_gateways(options["gateways"]) if options.get("gateways") else list(inventory)
    return RolloutRequest(
        version=str(names.parse_version(options["version"])),
        gateways=choose_gateways(wanted, inventory),
        serial=parse_percentage(options.get("percentage")),
        stagger_minutes=parse_stagger(options.get("stagger") or 0),
        max_failures=parse_max_failures(options.get("max_failures") or "0"),
    )


def _plan(control_plane: ControlPlane, options: Mapping[str, Any], check_mode: bool) -> Json:
    if options["rollout"]:
        rollout = control_plane.rollout(options["rollout"])
        if rollout["state"] not in ACTIVE_ROLLOUTS:
            raise ConflictError(
                f"rollout {rollout['id']} is {rollout['state']}, so it cannot be resumed",
                hint="start a new rollout for the gateways that are left",
            )
        _check_still_known(rollout, options["inventory"])
        return {"changed": False, **_summary(rollout), **_visit(rollout)}
    request = checked_request(options).as_json()
    if check_mode:
        planned = control_plane.plan_rollout(request)
        rows = [{**gateway, "state": GatewayResult.PENDING} for gateway in planned["gateways"]]
        return {"changed": True, **_summary(planned), **_visit({**planned, "gateways": rows})}
    rollout = control_plane.create_rollout(request)
    return {"changed": True, **_summary(rollout), **_visit(rollout)}


def _start(control_plane: ControlPlane, options: Mapping[str, Any]) -> Json:
    before = control_plane.rollout(options["rollout"])["state"]
    rollout = control_plane.start_rollout(options["rollout"])
    return {"changed": before != rollout["state"], **_summary(rollout)}


def _pause(control_plane: ControlPlane, options: Mapping[str, Any]) -> Json:
    before = control_plane.rollout(options["rollout"])["state"]
    rollout = control_plane.pause_rollout(options["rollout"], options["reason"])
    return {"changed": before != rollout["state"], **_summary(rollout)}


def _sweep(control_plane: ControlPlane, options: Mapping[str, Any]) -> Json:
    answer = call_with_retries(lambda: control_plane.sweep(options["rollout"]))
    hosts = play_hosts([(answer["batch"], answer["gateways"])] if answer["gateways"] else [])
    return {
        "changed": bool(hosts),
        "rollout": options["rollout"],
        "hosts": hosts,
        "serial": serial_sizes(hosts),
    }


def _finish(control_plane: ControlPlane, options: Mapping[str, Any]) -> Json:
    rollout = call_with_retries(lambda: control_plane.finish_rollout(options["rollout"]))
    if missing := shortfall(rollout):
        raise RolloutIncompleteError(
            f"rollout {rollout['id']} of {rollout['version']} is complete, but not for all: {missing}",
            hint=f"`ota_manager.py status {rollout['id']}` shows each gateway and its reason",
        )
    return {"changed": True, **_summary(rollout)}


STEPS: dict[str, Callable[[ControlPlane, Mapping[str, Any]], Json]] = {
    "started": _start,
    "paused": _pause,
    "swept": _sweep,
    "finished": _finish,
}


def _check_still_known(rollout: Json, inventory: Mapping[str, str]) -> None:
    choose_gateways([row["id"] for _, rows in open_batches(rollout) for row in rows], inventory)


def _summary(rollout: Json) -> Json:
    return {
        "rollout": rollout.get("id"),
        "version": rollout["version"],
        "stagger_minutes": rollout["stagger_minutes"],
        "counts": rollout.get("counts", {}),
    }


def _visit(rollout: Json) -> Json:
    hosts = play_hosts(open_batches(rollout))
    return {"hosts": hosts, "serial": serial_sizes(hosts)}
