"""Whether this gateway is kept from updates: the repository's metadata expired, went back, or is gone.

Kept in the journal, so that `status` and the report to the control plane tell it, too; what runs is kept.
Who holds updates back can also see to it that nothing is assigned, so the agent looks by itself once a day.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from ota_py.gateway.children import Child
from ota_py.gateway.journal import Journal
from ota_py.gateway.scheduling import Random

LOOK_SECONDS = 86_400.0
# As long as it is stale: the mark should go soon after the operator has renewed the metadata.
STALE_LOOK_SECONDS = 3_600.0
# After a power cut a whole fleet starts at once.
SPREAD_SECONDS = 3_600.0

_PROBLEM = "freshness_problem"
_LOOKED_AT = "freshness_looked_at"

log = logging.getLogger("ota.agent")


def problem(journal: Journal) -> str:
    """Why new updates are refused, in words; empty when they are not."""
    return _fact(journal, _PROBLEM)


def note(journal: Journal, message: str) -> None:
    """Remember why new updates are refused; empty: they are not."""
    if message != problem(journal):
        _keep(journal, _PROBLEM, message)


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
        pause = STALE_LOOK_SECONDS if problem(self._journal) else LOOK_SECONDS
        since = self._clock() - float(_fact(self._journal, _LOOKED_AT) or 0.0)
        return not 0 <= since < pause  # a clock that went back says nothing

    def begin(self) -> Child:
        """Start a look."""
        _keep(self._journal, _LOOKED_AT, str(self._clock()))
        self.child = self._look()
        return self.child

    def ended(self, child: Child) -> bool:
        """Whether that was a look; what it found goes to the log."""
        if child is not self.child:
            return False
        self.child = None
        if reason := problem(self._journal):
            log.warning("stale, new updates are refused reason=%s", reason)
        return True


def _fact(journal: Journal, key: str) -> str:
    rows = journal.read("SELECT value FROM facts WHERE key = ?", (key,))
    return str(rows[0]["value"]) if rows else ""


def _keep(journal: Journal, key: str, value: str) -> None:
    with journal.write("freshness") as connection:
        connection.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (key, value))
