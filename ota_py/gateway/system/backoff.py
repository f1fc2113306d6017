"""Back-off: when to try again, with jitter that spreads a fleet and delays that spare a server that is down."""

from __future__ import annotations

import random
from collections.abc import Callable

JITTER = 0.2

Random = Callable[[], float]


def jittered(seconds: float, jitter: float = JITTER, rand: Random = random.random) -> float:
    """`seconds` give or take the share `jitter`, so that gateways started together drift apart."""
    return seconds * (1 + jitter * (2 * rand() - 1))


class Backoff:
    """Delays that double with every failure in a row, up to a limit, each jittered.

    Args:
        first: seconds after the first failure.
        limit: the longest delay in seconds, before jitter.
    """

    def __init__(self, first: float, limit: float, rand: Random = random.random) -> None:
        self._first = first
        self._limit = max(first, limit)
        self._rand = rand
        self._next = first

    def failed(self, at_least: float = 0.0) -> float:
        """Record a failure; returns how many seconds to wait before the next try.

        Args:
            at_least: seconds that the other side requested; the jitter spreads a fleet that got the same request.
        """
        delay, self._next = self._next, min(self._next * 2, self._limit)
        return max(jittered(delay, rand=self._rand), at_least * (1 + JITTER * self._rand()))

    def succeeded(self) -> None:
        """Record a success: the next failure waits `first` seconds again."""
        self._next = self._first
