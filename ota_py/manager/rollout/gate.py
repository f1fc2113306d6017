"""The gate after a batch: wait for the gateways' results, watch while the stagger lasts, go on or stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ota_py.contract.fleet import GatewayResult, Verdict
from ota_py.errors import ConflictError, ControlPlaneError, RolloutAbortedError
from ota_py.manager.controlplane.client import ControlPlane

Answer = TypeVar("Answer")

# How long a control plane that restarts may be away before the play gives up.
OUTAGE_SECONDS = 180.0
UNREACHABLE = "the controller could not reach it"


@dataclass(frozen=True)
class GateTimeouts:
    """Limits of the gate's waiting, in minutes.

    Attributes:
        reach: for a gateway to begin; one that did not is deferred.
        report: for a gateway to end; one that did not is deferred.
        held: the same for one that waits for its maintenance window, a veto or a hook.
        stagger: for watching the fleet after the batch is done.
        poll_seconds: between two queries of the control plane.
    """

    reach: float = 15.0
    report: float = 300.0
    held: float = 1440.0
    stagger: float = 0.0
    poll_seconds: float = 1.0


def call_with_retries(
    call: Callable[[], Answer],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """Call the control plane, and again while it is away, for at most `OUTAGE_SECONDS`.

    Raises:
        ControlPlaneError: it stayed away.
    """
    begun = clock()
    while True:
        try:
            return call()
        except ControlPlaneError:
            if clock() - begun > OUTAGE_SECONDS:
                raise
            sleep(1.0)


class Gate:
    """The gate of one batch.

    Args:
        control_plane: as an operator.
        rollout: its id.
        batch: the batch's number, from 0.
        clock, sleep: monotonic seconds, and waiting; replaced by tests.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        rollout: int,
        batch: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._control_plane = control_plane
        self._rollout = rollout
        self._batch = batch
        self._clock = clock
        self._sleep = sleep
        self.deferred: list[str] = []

    def pass_through(self, unreachable: Sequence[str], timeouts: GateTimeouts) -> dict[str, Any]:
        """Wait until the batch may be left, and return the gate's last answer.

        Args:
            unreachable: gateways that the controller lost; they are deferred first.
            timeouts: how long to wait.

        Raises:
            RolloutAbortedError: too many failed, so the rollout is paused now, or somebody stopped it.
            ControlPlaneError: it was away for longer than `OUTAGE_SECONDS`.
        """
        self._defer(unreachable, UNREACHABLE)
        self._wait_for_results(timeouts)
        return self._watch(timeouts)

    def _wait_for_results(self, timeouts: GateTimeouts) -> None:
        begun = self._clock()
        reach_checked = False
        while (answer := self._query())["pending"]:
            pending, held = answer["pending"], answer["held"]
            minutes = (self._clock() - begun) / 60
            late = [name for name in pending if name not in held]
            if minutes >= timeouts.held and held:
                self._defer(held, f"held back for {timeouts.held:g} minutes")
            elif minutes >= timeouts.report and late:
                self._defer(late, f"no result after {timeouts.report:g} minutes")
            elif minutes >= timeouts.reach and not reach_checked:
                reach_checked = True
                self._defer(self._not_begun(pending), f"not heard of for {timeouts.reach:g} minutes")
            else:
                self._sleep(timeouts.poll_seconds)

    def _watch(self, timeouts: GateTimeouts) -> dict[str, Any]:
        until = self._clock() + timeouts.stagger * 60
        answer = self._query()
        while (left := until - self._clock()) > 0:
            self._sleep(min(timeouts.poll_seconds, left))
            answer = self._query()
        return answer

    def _query(self) -> dict[str, Any]:
        answer = call_with_retries(
            lambda: self._control_plane.gate(self._rollout, self._batch), self._clock, self._sleep
        )
        if answer["verdict"] == Verdict.STOP:
            self._stop(answer["reason"])
        return answer

    def _stop(self, reason: str) -> None:
        # A conflict: it does not run any more, since somebody aborted it first; their reason stands.
        with suppress(ConflictError):
            self._call(lambda: self._control_plane.pause_rollout(self._rollout, reason))
        raise RolloutAbortedError(
            f"rollout {self._rollout} stopped after batch {self._batch + 1}: {reason}",
            hint=f"look at `ota_manager.py status {self._rollout}`; "
            f"`ota_manager.py rollout --resume {self._rollout}` goes on with the other gateways",
        )

    def _not_begun(self, pending: Sequence[str]) -> list[str]:
        rollout = self._call(lambda: self._control_plane.rollout(self._rollout))
        waiting = {gateway["id"] for gateway in rollout["gateways"] if gateway["state"] == GatewayResult.ASSIGNED}
        return [name for name in pending if name in waiting]

    def _defer(self, gateways: Sequence[str], reason: str) -> None:
        for name in gateways:
            call = partial(self._control_plane.defer_gateway, self._rollout, name, reason)
            with suppress(ConflictError):  # Its result arrived in the meantime, and that is what counts.
                self._call(call)
                self.deferred.append(name)

    def _call(self, call: Callable[[], Answer]) -> Answer:
        return call_with_retries(call, self._clock, self._sleep)
