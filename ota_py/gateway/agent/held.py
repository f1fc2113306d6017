"""The agent's watch over an update that is held back: cheap looks, and a process only when it may go on."""

from __future__ import annotations

import time
from collections.abc import Callable

from ota_py.contract.transactions import HoldKind
from ota_py.gateway.controlplane.api import Assignment
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.policy import hold
from ota_py.gateway.policy.hold import Maintenance

# Between two questions to the veto command, and between two processes of the engine.
COMMAND_SECONDS = 60.0
# Only the engine can ask a hook or a registry.
ENGINE_SECONDS = 300.0
_ASKED_BY_ENGINE = (HoldKind.FETCH, HoldKind.HOOK)


class Waiting:
    """Watches the transaction that is held back, if there is one.

    Args:
        maintenance: what may hold it back.
        clock: monotonic seconds.

    Attributes:
        transaction: the one that waits, as it was last looked at.
        withdrawn: whether the control plane, which knows that it waits, assigns it no longer.
    """

    def __init__(self, maintenance: Maintenance, clock: Callable[[], float] = time.monotonic) -> None:
        self._maintenance = maintenance
        self._clock = clock
        self._next = 0.0
        self.transaction: Transaction | None = None
        self.withdrawn = False

    def look(self, last: Transaction | None) -> None:
        """Take note of the newest transaction."""
        held = last if last is not None and hold.is_held(last) else None
        if held is not None and (self.transaction is None or held.id != self.transaction.id):
            self.withdrawn = False
            # A window may open at any moment, and the command was not asked by us; the others were just now.
            kind = held.plan["held"]["kind"]
            asked = ENGINE_SECONDS - held.clock.age() if kind in _ASKED_BY_ENGINE else 0.0
            self._next = self._clock() + max(0.0, asked)
        self.transaction = held

    def is_for(self, assignment: Assignment | None) -> bool:
        """Whether what waits is this assignment."""
        held = self.transaction
        return (
            held is not None
            and assignment is not None
            and (held.version, held.rollout) == (assignment.version, assignment.rollout)
        )

    def answered(self, assignment: Assignment | None) -> None:
        """Take note of the control plane's word about what waits; by hand, it is none of its business."""
        held = self.transaction
        self.withdrawn = held is not None and held.rollout is not None and not self.is_for(assignment)

    def may_go_on(self) -> bool:
        """Whether the engine is to be started: nothing holds any more, or something else does and is told.

        Windows and the veto file are looked at each time; the veto command, and the engine, have pauses.
        """
        if self.transaction is None:
            return False
        told = self.transaction.plan["held"]
        found = hold.glance(self._maintenance, told["critical"])
        if self._clock() < self._next or (found is not None and found.kind == told["kind"]):
            return False
        self._next = self._clock() + _pause(self.transaction)
        found = found or hold.ask(self._maintenance, told["critical"])
        return found is None or found.kind != told["kind"]


def _pause(transaction: Transaction) -> float:
    return ENGINE_SECONDS if transaction.plan["held"]["kind"] in _ASKED_BY_ENGINE else COMMAND_SECONDS
