"""A transaction, one attempt to change what this gateway runs, as the journal stores it. Pure."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from ota_py.contract.transactions import State
from ota_py.errors import JournalError
from ota_py.gateway.journal import states
from ota_py.gateway.journal.versioned_records import known
from ota_py.gateway.system.clock import Clock

UPDATE = "update"
ROLLBACK = "rollback"
# So often the end of a transaction is tried; after that its end is only recorded.
ATTEMPTS_MAX = 3


@dataclass(frozen=True)
class Transaction:
    """A transaction: one attempt to change what this gateway runs.

    Attributes:
        kind: `update`, or `rollback` for an operator's return to a backup.
        version: what an update leads to, and what a rollback leaves.
        from_version: what ran before it, and runs again once it is rolled back.
        state: the last step that is done; `intent`: the step under way, if any.
        attempts: how often recovery or rollback has begun, counted across restarts.
        plan: what later steps and recovery need, see `ota_py.gateway.journal.plan.TransactionPlan`.
        clock: time spent against the limit of the present phase.
    """

    id: str
    kind: str
    version: str
    from_version: str
    rollout: int | None
    state: State
    intent: State | None
    created_at: str
    finished_at: str | None
    attempts: int
    reason: str
    error: dict[str, Any] | None
    downtime_seconds: float | None
    plan: dict[str, Any]
    clock: Clock

    @property
    def is_open(self) -> bool:
        """Whether the transaction has not ended."""
        return not states.is_terminal(self.state)

    @property
    def touched(self) -> bool:
        """Whether services may have been touched."""
        return states.touched(self.state, self.intent)


def parse(row: sqlite3.Row) -> Transaction:
    """The transaction in a row of the journal.

    Raises:
        JournalError: it is in a state that only newer software knows; its meaning is not guessed.
    """
    values: dict[str, Any] = dict(zip(row.keys(), row, strict=True))
    values["state"] = _state(row["state"])
    values["intent"] = _state(row["intent"]) if row["intent"] else None
    values["error"] = json.loads(row["error"]) if row["error"] else None
    values["plan"] = json.loads(row["plan"])
    values["clock"] = known(Clock, json.loads(row["clock"]))
    return known(Transaction, values)


def _state(name: str) -> State:
    try:
        return State(name)
    except ValueError:
        raise JournalError(
            f"the journal has a transaction in the state {name}, which this version does not know",
            hint="install the version of the gateway software that wrote it",
        ) from None
