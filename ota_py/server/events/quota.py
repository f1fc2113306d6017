"""How much one gateway may report: beyond it it is asked to wait, and what it has to say waits in its outbox.

Three things count: requests, their bytes, and reports. Of each there is a store that fills up again at a steady
rate. It holds what a gateway brings that was offline for months; the rate is many times what one needs that is
well. Counted by each worker for itself, in memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


class QuotaExceededError(Exception):
    """The gateway has used up its quota.

    Attributes:
        seconds: until it suffices for the same request.
    """

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"this gateway reports too much: its quota of {what} is used up")
        self.seconds = seconds


@dataclass(frozen=True)
class Allowance:
    """So much at once, and so much a second in the long run."""

    what: str
    store: float
    per_second: float


REQUESTS = Allowance("requests", 120, 1)
BYTES = Allowance("bytes", 4 * 1024 * 1024, 4096)
REPORTS = Allowance("reports", 2000, 2)


class Quota:
    """What gateways have used.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When the store is full again.
        self._full_at: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def take(self, gateway: str, **amounts: float) -> None:
        """Use so many of `requests`, `bytes` and `reports`: of all that are named, or of none.

        Raises:
            QuotaExceededError: there is not enough of one.
        """
        now = self._clock()
        with self._lock:
            taken: dict[tuple[str, str], float] = {}
            for allowance in (REQUESTS, BYTES, REPORTS):
                amount = amounts.get(allowance.what, 0)
                key = (gateway, allowance.what)
                full_at = max(now, self._full_at.get(key, now)) + amount / allowance.per_second
                wait = full_at - allowance.store / allowance.per_second - now
                if wait > 0:
                    raise QuotaExceededError(allowance.what, wait)
                taken[key] = full_at
            self._full_at |= taken


quota = Quota()
