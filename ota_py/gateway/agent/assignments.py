"""The attempts at assignments, one for each: an update is not tried again, unless it is assigned again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ota_py.errors import BusyError, CarrierError
from ota_py.gateway.controlplane.api import Assignment
from ota_py.gateway.journal import states
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.system.backoff import Backoff

BUSY_RETRY_SECONDS = 15.0
RETRY_FIRST_SECONDS = 60.0
RETRY_LIMIT_SECONDS = 1800.0
# Nothing was decided about the update: another transaction runs, a carrier is away, or the child was killed.
_UNDECIDED = frozenset({BusyError.exit_status, CarrierError.exit_status})

log = logging.getLogger("ota.agent")


class Attempts:
    """Decides whether an assignment is to be started now.

    The journal remembers transactions across restarts of the agent. Attempts that ended before there was a
    transaction (a wrong signature, another architecture) are remembered here.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal = journal
        self._clock = clock
        self._backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_LIMIT_SECONDS)
        self._assigned: Assignment | None = None
        self._known = False  # whether an answer of the control plane came since the agent started
        self._decided = False
        self._not_before = 0.0

    @property
    def assigned(self) -> Assignment | None:
        """The control plane's last answer."""
        return self._assigned

    def record_answer(self, assigned: Assignment | None) -> None:
        """Record the control plane's answer. An assignment that differs from the last answer is a new start."""
        if self._known and assigned == self._assigned:
            return
        self._decided = assigned is not None and not self._known and self._has_ended(assigned)
        if self._decided and assigned is not None:
            log.info("assignment was tried before version=%s rollout=%d", assigned.version, assigned.rollout)
        self._known, self._assigned = True, assigned
        self._not_before = 0.0
        self._backoff.succeeded()

    def due(self) -> Assignment | None:
        """The assignment to start now, if there is one."""
        if self._decided or self._clock() < self._not_before:
            return None
        return self._assigned

    def record_exit(self, assignment: Assignment, exit_status: int) -> None:
        """Record how the child of an assignment ended; for a held update `HeldUpdateWatch` takes over."""
        if assignment != self._assigned:
            return
        if self._has_ended(assignment) or not (exit_status < 0 or exit_status in _UNDECIDED):
            self._decided = True
            return
        delay = BUSY_RETRY_SECONDS if exit_status == BusyError.exit_status else self._backoff.failed()
        self._not_before = self._clock() + delay
        log.info("try again version=%s in=%.0fs exit_status=%d", assignment.version, delay, exit_status)

    def record_transaction(self, version: str, rollout: int | None) -> None:
        """Record that a transaction that changed something ended: an attempt, whichever agent began it."""
        assigned = self._assigned
        if assigned is not None and (assigned.version, assigned.rollout) == (version, rollout):
            self._decided = True

    def _has_ended(self, assignment: Assignment) -> bool:
        state = self._journal.state_in_rollout(assignment.rollout, assignment.version)
        return state is not None and states.is_terminal(state)
