"""The steps of a transaction: when each began and ended. Functions within a SQLite transaction."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from ota_py.gateway.system.clock import stamp


@dataclass(frozen=True)
class Step:
    """One step of a transaction: a state, or a part of the rollback."""

    name: str
    begun_at: str
    done_at: str | None
    seconds: float | None


class StepLog:
    """Writes steps; measures those that begin and end in this process by the monotonic clock."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}

    def begin(self, connection: sqlite3.Connection, transaction_id: str, name: str) -> None:
        """Record that a step begins."""
        self._begun[name] = time.monotonic()
        connection.execute(
            "INSERT INTO steps (transaction_id, name, begun_at) VALUES (?, ?, ?)",
            (transaction_id, name, stamp()),
        )

    def end(self, connection: sqlite3.Connection, transaction_id: str, name: str) -> None:
        """Record that a step has ended; a step that never began took no time."""
        now = stamp()
        seconds = round(time.monotonic() - self._begun.pop(name, time.monotonic()), 3)
        changed = connection.execute(
            "UPDATE steps SET done_at = ?, seconds = ? WHERE number = (SELECT max(number) FROM steps "
            "WHERE transaction_id = ? AND name = ? AND done_at IS NULL)",
            (now, seconds, transaction_id, name),
        ).rowcount
        if not changed:
            connection.execute(
                "INSERT INTO steps (transaction_id, name, begun_at, done_at, seconds) VALUES (?, ?, ?, ?, 0)",
                (transaction_id, name, now, now),
            )
