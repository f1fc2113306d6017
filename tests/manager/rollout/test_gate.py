"""The gate's timeouts, on a clock that a test turns, against scripted answers of the control plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ota_py.errors import ConflictError, ControlPlaneError, RolloutAbortedError
from ota_py.manager.rollout.gate import OUTAGE_SECONDS, UNREACHABLE, Gate, GateTimeouts, call_with_retries
from tests.support.clocks import TurnedClock

GO = {"verdict": "GO", "reason": "done", "pending": [], "held": []}
WAIT = {"verdict": "WAIT", "reason": "waiting for a", "pending": ["a"], "held": []}
STOP = {"verdict": "STOP", "reason": "1 failed, 0 allowed: a", "pending": [], "held": []}


class Script:
    """A control plane whose gate answers by the clock, and which notes the calls that it gets."""

    def __init__(self, clock: TurnedClock, answer: Callable[[float], dict[str, Any]], state: str = "ASSIGNED") -> None:
        self.clock = clock
        self.answer = answer
        self.state = state
        self.deferred: dict[str, str] = {}
        self.paused: list[str] = []

    def gate(self, rollout: int, batch: int) -> dict[str, Any]:
        answer = self.answer(self.clock.now)
        pending = [name for name in answer["pending"] if name not in self.deferred]
        return GO if answer["verdict"] == "WAIT" and not pending else {**answer, "pending": pending}

    def rollout(self, rollout: int) -> dict[str, Any]:
        return {"gateways": [{"id": "a", "state": self.state}]}

    def defer_gateway(self, rollout: int, gateway: str, reason: str) -> None:
        if gateway == "reported":
            raise ConflictError("it has ended already")
        self.deferred[gateway] = reason

    def pause_rollout(self, rollout: int, reason: str) -> None:
        self.paused.append(reason)


def passing(script: Script, unreachable: list[str] | None = None, **timeouts: float) -> dict[str, Any]:
    gate = Gate(script, 7, 0, clock=script.clock, sleep=script.clock.sleep)  # type: ignore[arg-type]
    return gate.pass_through(unreachable or [], GateTimeouts(**timeouts))


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(0.0)


def test_waits_for_results_then_watches_for_the_stagger(clock: TurnedClock) -> None:
    passing(Script(clock, lambda now: WAIT if now < 10 else GO), stagger=2)
    assert clock.now == pytest.approx(10 + 2 * 60)


def test_stops_at_once_and_pauses_with_the_reason(clock: TurnedClock) -> None:
    script = Script(clock, lambda now: WAIT if now < 5 else STOP)
    with pytest.raises(RolloutAbortedError, match="rollout 7 stopped after batch 1: 1 failed, 0 allowed: a"):
        passing(script, stagger=60)
    assert (clock.now, script.paused) == (5, ["1 failed, 0 allowed: a"])


def test_a_late_failure_stops_it_while_it_watches(clock: TurnedClock) -> None:
    with pytest.raises(RolloutAbortedError):
        passing(Script(clock, lambda now: GO if now < 30 else STOP), stagger=5)
    assert clock.now == 30


def test_f40_the_unreachable_are_deferred_first(clock: TurnedClock) -> None:
    script = Script(clock, lambda now: WAIT)
    passing(script, ["a", "reported"])
    assert (clock.now, script.deferred) == (0, {"a": UNREACHABLE})


def test_one_that_does_not_begin_is_deferred_and_one_that_has_begun_is_not(clock: TurnedClock) -> None:
    script = Script(clock, lambda now: WAIT)
    passing(script, reach=15)
    assert (clock.now, script.deferred) == (15 * 60, {"a": "not heard of for 15 minutes"})

    busy = Script(TurnedClock(0.0), lambda now: WAIT, state="UPDATING")
    passing(busy, reach=15, report=300)
    assert (busy.clock.now, busy.deferred) == (300 * 60, {"a": "no result after 300 minutes"})


def test_f43_a_restart_of_the_control_plane_is_waited_for(clock: TurnedClock) -> None:
    def answer(now: float) -> dict[str, Any]:
        if 3 <= now < 60:
            raise ControlPlaneError("connection refused")
        return WAIT if now < 70 else GO

    # call_with_retries() itself takes the same clock.
    passing(Script(clock, answer))
    assert clock.now == 70


def test_f43_but_not_for_ever(clock: TurnedClock) -> None:
    def away() -> None:
        raise ControlPlaneError("connection refused")

    with pytest.raises(ControlPlaneError):
        call_with_retries(away, clock, clock.sleep)
    assert clock.now == pytest.approx(OUTAGE_SECONDS, abs=2)


def test_one_that_is_held_back_has_a_patience_of_its_own(clock: TurnedClock) -> None:
    waiting = {**WAIT, "pending": ["a", "b"]}
    script = Script(clock, lambda now: {**waiting, "held": ["b"]}, "UPDATING")
    passing(script, report=10, held=60)
    assert script.deferred == {"a": "no result after 10 minutes", "b": "held back for 60 minutes"}
    assert clock.now == pytest.approx(3600, abs=2)
