"""Running a rollout from the operator's command: start the play, watch it, and judge its end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ota_py.contract.fleet import RolloutState
from ota_py.errors import (
    ConflictError,
    ControlPlaneError,
    InterruptedByOperatorError,
    OtaError,
    RolloutAbortedError,
    RolloutIncompleteError,
    RolloutNotStartedError,
)
from ota_py.manager.controlplane.client import ControlPlane
from ota_py.manager.rollout.gate import call_with_retries
from ota_py.manager.rollout.play import BackgroundPlay, Play
from ota_py.manager.rollout.progress import View
from ota_py.manager.rollout.request import shortfall

Json = dict[str, Any]

POLL_SECONDS = 1.0
INTERRUPTED = "interrupted by the operator"


def run_rollout(control_plane: ControlPlane, play: Play, view: View) -> Json:
    """Run the play to its end while `view` shows it, and return the control plane's record.

    Raises:
        InterruptedByOperatorError: Ctrl-C; the rollout is paused, gateways end what they began.
    """
    with view:
        running = BackgroundPlay(play, view.step)
        try:
            while not running.wait(POLL_SECONDS):
                # The play queries it too, with retries; a view that misses a second is no harm.
                with suppress(ControlPlaneError):
                    view.update(control_plane.rollout(play.rollout))
            ended = call_with_retries(lambda: control_plane.rollout(play.rollout))
            view.update(ended)
        except KeyboardInterrupt:
            _interrupt(control_plane, running, play.rollout)
        finally:
            running.close()
    return _conclude(control_plane, ended, running)


def verdict(rollout: Mapping[str, Any]) -> OtaError | None:
    """The error whose exit status an ended rollout deserves, or None when it succeeded for all gateways."""
    hint = f"`ota_manager.py status {rollout['id']}` shows each gateway and its reason"
    if rollout["state"] == RolloutState.COMPLETED:
        missing = shortfall(rollout)
        if not missing:
            return None
        return RolloutIncompleteError(
            f"rollout {rollout['id']} of {rollout['version']} is complete, but not for all: {missing}",
            hint=hint,
        )
    if rollout["state"] == RolloutState.PENDING:
        return RolloutNotStartedError(f"rollout {rollout['id']} did not start: {rollout['reason']}", hint=hint)
    resume = f"; `ota_manager.py rollout --resume {rollout['id']}` goes on"
    return RolloutAbortedError(
        f"rollout {rollout['id']} of {rollout['version']} is {rollout['state']}: {rollout['reason']}",
        hint=hint + (resume if rollout["state"] == RolloutState.PAUSED else ""),
    )


def _interrupt(control_plane: ControlPlane, running: BackgroundPlay, rollout: int) -> None:
    # Paused first: a gateway that pulls must find nothing assigned to it from here on.
    with suppress(ConflictError, ControlPlaneError):
        control_plane.pause_rollout(rollout, INTERRUPTED)
    running.cancel()
    raise InterruptedByOperatorError(
        f"rollout {rollout} is paused; gateways that have begun finish or roll back by themselves",
        hint=f"go on with `ota_manager.py rollout --resume {rollout}`, "
        f"or end it with `ota_manager.py rollout --abort {rollout}`",
    )


def _conclude(control_plane: ControlPlane, ended: Json, running: BackgroundPlay) -> Json:
    """The ended rollout's record; a rollout whose play died is paused, so that it can be resumed."""
    if ended["state"] in (RolloutState.PENDING, RolloutState.RUNNING):
        why = running.failures[-1] if running.failures else f"ansible-playbook ended with {running.status}"
        if ended["state"] == RolloutState.PENDING:
            return {**ended, "reason": why}
        with suppress(ConflictError):
            return control_plane.pause_rollout(ended["id"], f"the play ended early: {why}"[:500])
    return ended
