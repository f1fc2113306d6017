"""Orphans: a transaction whose owner is gone is open in the journal, and no process holds the lock.

A held transaction has no owner on purpose.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.policy import hold
from ota_py.gateway.system import lock
from ota_py.gateway.system.backoff import Backoff

# Between two tasks of a push the transaction waits without an owner, while nothing is touched yet. Counted
# from its last record in the journal, so that a restart of the agent does not begin the time anew.
PATIENCE_SECONDS = 900.0
RETRY_FIRST_SECONDS = 5.0
RETRY_LIMIT_SECONDS = 300.0

log = logging.getLogger("ota.agent")


class Orphans:
    """The watch over the journal's open transaction, to find an orphan.

    Attributes:
        is_busy: whether the last inspection found an open transaction that is not held.
        has_owner: whether a live process was at work on the open one.
    """

    def __init__(self, journal: Journal, lock_path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal = journal
        self._lock_path = lock_path
        self._clock = clock
        self._backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_LIMIT_SECONDS)
        self._orphan: tuple[str, str, bool] | None = None
        self._due_at = 0.0
        self.is_busy = False
        self.has_owner = False

    def inspect(self) -> Transaction | None:
        """Inspect the newest transaction and the lock; returns the transaction."""
        last = self._journal.last_transaction()
        opened = last if last is not None and last.is_open else None
        self.has_owner = opened is not None and lock.is_held(self._lock_path)
        waits = opened is not None and hold.is_held(opened)
        self.is_busy = self.has_owner or (opened is not None and not waits)
        if last is None or not self.is_busy or self.has_owner:
            self._orphan = None
        elif self._orphan != (last.id, last.state, last.touched):
            self._orphan = (last.id, last.state, last.touched)
            self._due_at = self._clock() + _patience(last)
        if opened is None:
            self._backoff.succeeded()
        return last

    def due(self) -> bool:
        """Whether recovery is to be started now; each further time for the same orphan waits longer."""
        if self._orphan is None or self._clock() < self._due_at:
            return False
        log.warning("transaction without an owner transaction=%s state=%s touched=%s", *self._orphan)
        self._due_at = self._clock() + self._backoff.failed()
        return True


def _patience(transaction: Transaction) -> float:
    """Seconds until an open transaction without an owner is given up."""
    return 0.0 if transaction.touched else max(0.0, PATIENCE_SECONDS - transaction.clock.age())
