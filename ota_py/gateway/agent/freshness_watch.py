"""When the agent looks at the repository by itself.

Who holds updates back can also see to it that nothing is assigned, so the agent looks once a day.
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

LOOK_SECONDS = 86_400.0
# As long as it is stale: the mark should go soon after the operator has renewed the metadata.
STALE_LOOK_SECONDS = 3_600.0
# After a power cut a whole fleet starts at once.
SPREAD_SECONDS = 3_600.0

log = logging.getLogger("ota.agent")


class FreshnessWatch:
    """Decides when the agent looks at the repository.

    Args:
        look: starts a process that does.
        clock: seconds since the epoch; the journal remembers the last look, also for an agent of cron's.
        ticks: monotonic seconds.
    """

    def __init__(
        self,
        journal: Journal,
        look: Callable[[], Child],
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        rand: Random = random.random,
    ) -> None:
        self._journal = journal
        self._look = look
        self._clock = clock
        self._ticks = ticks
        self._not_before = ticks() + rand() * SPREAD_SECONDS
        self.child: Child | None = None

    def is_due(self, *, spread: bool) -> bool:
        """Whether it is time.

        Args:
            spread: not all at once after a start.
        """
        if spread and self._ticks() < self._not_before:
            return False
        pause = STALE_LOOK_SECONDS if freshness.problem(self._journal) else LOOK_SECONDS
        since = self._clock() - freshness.looked_at(self._journal)
        return not 0 <= since < pause  # a clock that went back says nothing

    def begin(self) -> Child:
        """Start a look."""
        freshness.note_look(self._journal, self._clock())
        self.child = self._look()
        return self.child

    def ended(self, child: Child) -> bool:
        """Whether that was a look; what it found goes to the log."""
        if child is not self.child:
            return False
        self.child = None
        if reason := freshness.problem(self._journal):
            log.warning("stale, new updates are refused reason=%s", reason)
        return True
