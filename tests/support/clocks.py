"""A clock that a test turns. Whole simulated machines have one of their own: `tests/crash/sim/clock.py`."""

from __future__ import annotations


class TurnedClock:
    """Stands in for `time.monotonic` and `time.sleep`: time passes only by sleeping, or when a test adds to `now`."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
