"""The agent's own checks of the repository's freshness.

An attacker who holds updates back can also hold assignments back, so the agent checks once a day.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from ota_py.gateway.agent.launcher import Child
from ota_py.gateway.fetch import freshness
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.system.backoff import Random

CHECK_SECONDS = 86_400.0
# While the metadata is stale: the mark should go soon after the operator has renewed it.
STALE_CHECK_SECONDS = 3_600.0
# After a power cut a whole fleet starts at once.
SPREAD_SECONDS = 3_600.0

log = logging.getLogger("ota.agent")


class FreshnessWatch:
    """Decides when the agent checks the repository.

    Args:
        check: starts a process that checks it.
        clock: seconds since the epoch; the journal has the time of the last check, also for an agent of cron's.
        ticks: monotonic seconds.
    """

    def __init__(
        self,
        journal: Journal,
        check: Callable[[], Child],
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        rand: Random = random.random,
    ) -> None:
        self._journal = journal
        self._check = check
        self._clock = clock
        self._ticks = ticks
        self._not_before = ticks() + rand() * SPREAD_SECONDS
        self.child: Child | None = None

    def is_due(self, *, spread: bool) -> bool:
        """Whether a check is due.

        Args:
            spread: whether the checks of a fleet that starts at once are spread over time.
        """
        if spread and self._ticks() < self._not_before:
            return False
        pause = STALE_CHECK_SECONDS if freshness.problem(self._journal) else CHECK_SECONDS
        since = self._clock() - freshness.checked_at(self._journal)
        return not 0 <= since < pause  # a clock that went back proves nothing

    def begin(self) -> Child:
        """Start a check; returns its process."""
        freshness.record_check(self._journal, self._clock())
        self.child = self._check()
        return self.child

    def ended(self, child: Child) -> bool:
        """Whether a child that ended was a check; a freshness problem goes to the log."""
        if child is not self.child:
            return False
        self.child = None
        if reason := freshness.problem(self._journal):
            log.warning("stale, new updates are refused reason=%s", reason)
        return True
