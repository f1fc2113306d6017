"""Finds a transaction whose owner is gone: open in the journal, and nobody holds the lock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from ota_py.gateway import lock
from ota_py.gateway.journal import Journal
from ota_py.gateway.scheduling import Backoff
from ota_py.gateway.transaction import Transaction

# Between two tasks of a push the transaction waits without an owner, while nothing is touched yet.
PATIENCE_SECONDS = 900.0
RETRY_FIRST_SECONDS = 5.0
RETRY_LIMIT_SECONDS = 300.0

log = logging.getLogger("ota.agent")


class Orphans:
    """Watches the journal's open transaction.

    Attributes:
        is_open: whether the last look saw an open transaction.
        has_owner: whether a live process was at work on it.
    """

    def __init__(
        self, journal: Journal, lock_path: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._journal = journal
        self._lock_path = lock_path
        self._clock = clock
        self._backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_LIMIT_SECONDS)
        self._orphan: tuple[str, str, bool] | None = None
        self._due_at = 0.0
        self.is_open = False
        self.has_owner = False

    def look(self) -> Transaction | None:
        """Look at the newest transaction and at the lock; returns the transaction."""
        last = self._journal.last_transaction()
        self.is_open = last is not None and last.is_open
        self.has_owner = self.is_open and lock.is_held(self._lock_path)
        if last is None or not self.is_open or self.has_owner:
            self._orphan = None
        elif self._orphan != (last.id, last.state, last.touched):
            self._orphan = (last.id, last.state, last.touched)
            self._due_at = self._clock() + (0 if last.touched else PATIENCE_SECONDS)
        if not self.is_open:
            self._backoff.succeeded()
        return last

    def due(self) -> bool:
        """Whether recovery is to be started now; each further time for the same orphan waits longer."""
        if self._orphan is None or self._clock() < self._due_at:
            return False
        log.warning("transaction without an owner transaction=%s state=%s touched=%s", *self._orphan)
        self._due_at = self._clock() + self._backoff.failed()
        return True
