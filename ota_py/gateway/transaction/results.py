"""The results of transactions, as commands print them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ota_py.contract.transactions import OUTCOMES, Outcome
from ota_py.errors import HeldError
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from ota_py.gateway.journal.transaction import Transaction

Result = dict[str, Any]


def seconds_since(moment: str) -> float:
    """Seconds from an RFC 3339 stamp until now, by the wall clock; 0 where it was set back meanwhile."""
    return max(round((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds(), 3), 0.0)


def seconds_between(first: str, second: str) -> float:
    """Seconds from one RFC 3339 stamp to another."""
    return round((datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds(), 3)


def result_of(transaction: Transaction, journal: Journal) -> Result:
    """The result of an update, rollback or recovery, as `--json` prints it."""
    return {
        "transaction": transaction.id,
        "version": transaction.version,
        "from_version": transaction.from_version,
        "state": str(transaction.state),
        "outcome": OUTCOMES.get(transaction.state, Outcome.UNFINISHED),
        "changed": transaction.touched,
        "reason": transaction.reason,
        "error": transaction.error,
        "steps": [
            {"state": step.name, "at": step.begun_at, "seconds": step.seconds} for step in journal.steps(transaction.id)
        ],
        "downtime_seconds": transaction.downtime_seconds,
        "reports": Outbox(journal).pending(transaction=transaction.id),
    }


def held(transaction: Transaction, error: HeldError, journal: Journal) -> Result:
    """The result of an update that waits for its maintenance window, a veto or a hook."""
    hold = {"outcome": Outcome.HELD, "reason": error.message, "error": error.as_dict()}
    return {**result_of(transaction, journal), **hold}


def nothing_done(version: str, reason: str) -> Result:
    """The result where no transaction was needed."""
    return {
        "transaction": None,
        "version": version,
        "from_version": version,
        "state": None,
        "outcome": Outcome.SKIPPED,
        "changed": False,
        "reason": reason,
        "error": None,
        "steps": [],
        "downtime_seconds": None,
        "reports": [],
    }
