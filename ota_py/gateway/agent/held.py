"""The agent's watch over a held update: cheap checks, and a process only when the update may go on."""

from __future__ import annotations

import time
from collections.abc import Callable

from ota_py.contract.transactions import HoldKind
from ota_py.gateway.controlplane.api import Assignment
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.policy import hold
from ota_py.gateway.policy.hold import Maintenance

# Between two runs of the veto command.
COMMAND_SECONDS = 60.0
# Between two processes of the engine, which alone can run a hook or ask a registry.
ENGINE_SECONDS = 300.0
_ASKED_BY_ENGINE = (HoldKind.FETCH, HoldKind.HOOK)


class HeldUpdateWatch:
    """The watch over the transaction that is held, if there is one.

    Args:
        maintenance: the windows and vetoes that may hold it.
        clock: monotonic seconds.

    Attributes:
        transaction: the held one, as last read from the journal.
        withdrawn: whether the control plane, which knows of the hold, assigns the update no longer.
    """

    def __init__(self, maintenance: Maintenance, clock: Callable[[], float] = time.monotonic) -> None:
        self._maintenance = maintenance
        self._clock = clock
        self._next = 0.0
        self.transaction: Transaction | None = None
        self.withdrawn = False

    def observe(self, last: Transaction | None) -> None:
        """Take over the newest transaction, if it is held."""
        held = last if last is not None and hold.is_held(last) else None
        if held is not None and (self.transaction is None or held.id != self.transaction.id):
            self.withdrawn = False
            # A window may open at any moment, and the agent has not run the veto command yet; hooks and registry
            # were asked just now.
            kind = held.plan["held"]["kind"]
            asked = ENGINE_SECONDS - held.clock.age() if kind in _ASKED_BY_ENGINE else 0.0
            self._next = self._clock() + max(0.0, asked)
        self.transaction = held

    def is_for(self, assignment: Assignment | None) -> bool:
        """Whether the held update is the one that is assigned."""
        held = self.transaction
        return (
            held is not None
            and assignment is not None
            and (held.version, held.rollout) == (assignment.version, assignment.rollout)
        )

    def record_answer(self, assignment: Assignment | None) -> None:
        """Record the control plane's answer: an update without a rollout is not withdrawn by it."""
        held = self.transaction
        self.withdrawn = held is not None and held.rollout is not None and not self.is_for(assignment)

    def may_go_on(self) -> bool:
        """Whether the engine is to be started: the hold is over, or it is of another kind that must be reported.

        Windows and the veto file are checked each time; the veto command, and the engine, have pauses.
        """
        if self.transaction is None:
            return False
        recorded = self.transaction.plan["held"]
        found = hold.glance(self._maintenance, recorded["critical"])
        if self._clock() < self._next or (found is not None and found.kind == recorded["kind"]):
            return False
        self._next = self._clock() + _pause(self.transaction)
        found = found or hold.ask(self._maintenance, recorded["critical"])
        return found is None or found.kind != recorded["kind"]


def _pause(transaction: Transaction) -> float:
    return ENGINE_SECONDS if transaction.plan["held"]["kind"] in _ASKED_BY_ENGINE else COMMAND_SECONDS
