"""The journal: what this gateway was about to do, what it did, and what it runs.

Intent is written before a step and the result after it, each in one durable SQLite transaction
together with the report of it. Recovery reads nothing else.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ota_py.contract.reports import HeldDetails, ReportKind
from ota_py.contract.transactions import State
from ota_py.gateway.journal import facts, report, schema, states
from ota_py.gateway.journal.steps import Step, StepLog
from ota_py.gateway.journal.transaction import ROLLBACK, Transaction, parse
from ota_py.gateway.system import failpoints, files
from ota_py.gateway.system.clock import Clock, stamp

if TYPE_CHECKING:
    # The agent keeps the journal open for months, and pydantic out of its memory.
    from ota_py.gateway.config.agent_settings import Settings
    from ota_py.gateway.config.model import GatewayConfig

INSTALLED = "installed_version"


class Journal:
    """The journal of one gateway; also holds the outbox and the versions known to be bad.

    Raises:
        JournalError: the file is damaged, lost or of another version; nothing is guessed.
    """

    def __init__(self, config: GatewayConfig | Settings) -> None:
        self.gateway_id = config.gateway_id
        self._path = config.journal_path
        self._initial_version = config.initial_version
        self._connection = schema.connect(self._path, config.backups_dir)
        self._steps = StepLog()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def read(self, query: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """The rows of a query."""
        with schema.translated(self._path):
            return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def write(self, name: str) -> Iterator[sqlite3.Connection]:
        """Write in one durable SQLite transaction: all of the block or nothing of it.

        Args:
            name: of the failpoints around the commit.
        """
        with schema.translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                failpoints.reach(f"journal.{name}.before")
                self._connection.execute("COMMIT")
                failpoints.reach(f"journal.{name}.after")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def copy_to(self, path: Path) -> None:
        """Make a consistent copy of the journal, as the new file `path`."""
        with schema.translated(self._path), files.produced(path):
            self._connection.execute("VACUUM INTO ?", (str(path),))

    # -- what runs, and what must not run again -----------------------------------------------------

    @property
    def installed_version(self) -> str:
        """The version that runs: that of the last transaction that ended, else `initial_version`."""
        return facts.read(self, INSTALLED) or self._initial_version

    def known_bad(self) -> dict[str, str]:
        """Versions that were rolled back here, with the reason."""
        return {row["version"]: row["reason"] for row in self.read("SELECT * FROM known_bad ORDER BY at")}

    # -- transactions -------------------------------------------------------------------------------

    def open_transaction(self) -> Transaction | None:
        """The transaction that has not ended, if any; there is at most one."""
        last = self.last_transaction()
        return last if last and last.is_open else None

    def last_transaction(self) -> Transaction | None:
        """The newest transaction, open or ended."""
        return _first(self.read("SELECT * FROM transactions ORDER BY number DESC LIMIT 1"))

    def is_broken(self) -> bool:
        """Whether the last transaction that touched services ended in BROKEN."""
        query = "SELECT state FROM transactions WHERE state IN (?, ?, ?) ORDER BY number DESC LIMIT 1"
        rows = self.read(query, (State.COMMITTED, State.ROLLED_BACK, State.BROKEN))
        return bool(rows) and rows[0]["state"] == State.BROKEN

    def committed_transaction(self, version: str) -> Transaction | None:
        """The newest update that was committed to `version`."""
        query = (
            "SELECT * FROM transactions WHERE kind = 'update' AND state = ? AND version = ? "
            "ORDER BY number DESC LIMIT 1"
        )
        return _first(self.read(query, (State.COMMITTED, version)))

    def committed_after(self, number: int) -> list[Transaction]:
        """The updates that were committed after the transaction of this number, the oldest first."""
        query = "SELECT * FROM transactions WHERE kind = 'update' AND state = ? AND number > ? ORDER BY number"
        return [parse(row) for row in self.read(query, (State.COMMITTED, number))]

    def last_ended(self, before: str = "9") -> int:
        """The number of the newest transaction that ended, up to the stamp `before` if given; 0 where none did."""
        rows = self.read("SELECT max(number) AS n FROM transactions WHERE finished_at <= ?", (before,))
        return int(rows[0]["n"] or 0)

    def rolled_back_count(self, version: str) -> int:
        """The number of times that an update to `version` was rolled back here."""
        query = "SELECT count(*) AS n FROM transactions WHERE kind = 'update' AND state = ? AND version = ?"
        return int(self.read(query, (State.ROLLED_BACK, version))[0]["n"])

    def state_in_rollout(self, rollout: int | None, version: str) -> State | None:
        """The state of the newest transaction of a rollout to `version`; None where there was none."""
        query = "SELECT state FROM transactions WHERE rollout = ? AND version = ? ORDER BY number DESC LIMIT 1"
        rows = self.read(query, (rollout, version))
        return State(rows[0]["state"]) if rows else None

    def transaction(self, transaction_id: str) -> Transaction:
        """The transaction with an id, as it is stored now."""
        found = _first(self.read("SELECT * FROM transactions WHERE id = ?", (transaction_id,)))
        if found is None:
            raise KeyError(transaction_id)
        return found

    def steps(self, transaction_id: str) -> list[Step]:
        """The steps of a transaction in the order in which they began."""
        query = "SELECT * FROM steps WHERE transaction_id = ? ORDER BY number"
        rows = self.read(query, (transaction_id,))
        return [Step(row["name"], row["begun_at"], row["done_at"], row["seconds"]) for row in rows]

    def begin(
        self,
        kind: str,
        version: str,
        rollout: int | None,
        plan: dict[str, Any],
        clock: Clock,
        from_version: str | None = None,
    ) -> Transaction:
        """Open a transaction in the state RECEIVED; `from_version` is the installed one if not given."""
        new = str(uuid.uuid4())
        with self.write("begin") as connection:
            connection.execute(
                "INSERT INTO transactions (id, kind, version, from_version, rollout, state, created_at, "
                "plan, clock) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    new,
                    kind,
                    version,
                    from_version or self.installed_version,
                    rollout,
                    State.RECEIVED,
                    stamp(),
                    json.dumps(plan),
                    _dump(clock),
                ),
            )
            self._steps.end(connection, new, State.RECEIVED)
            self._report(connection, new, {})
        return self.transaction(new)

    def intend(self, transaction: Transaction, state: State, clock: Clock | None = None) -> Transaction:
        """Record the step that is about to be taken, and the clock, a new one or the present one."""
        states.check(transaction.state, state)
        with self.write(f"intend.{state}") as connection:
            connection.execute(
                "UPDATE transactions SET intent = ?, clock = ? WHERE id = ?",
                (state, _dump(clock or transaction.clock.stored()), transaction.id),
            )
            self._steps.begin(connection, transaction.id, state)
        return self.transaction(transaction.id)

    def advance(
        self,
        transaction: Transaction,
        state: State,
        *,
        reason: str = "",
        error: dict[str, Any] | None = None,
        downtime_seconds: float | None = None,
        details: Mapping[str, Any] | None = None,
        is_bad: bool = True,
    ) -> Transaction:
        """Record that `state` is reached, with all that follows from it, and queue its report.

        Args:
            details: for the report.
            is_bad: whether ROLLED_BACK makes the version that was left known to be bad.
        """
        states.check(transaction.state, state)
        with self.write(f"advance.{state}") as connection:
            connection.execute(
                "UPDATE transactions SET state = ?, intent = NULL, clock = ?, reason = ?, error = ?, "
                "downtime_seconds = coalesce(?, downtime_seconds), finished_at = ? WHERE id = ?",
                (
                    state,
                    _dump(transaction.clock.stored()),
                    reason or transaction.reason,
                    json.dumps(error or transaction.error),
                    downtime_seconds,
                    stamp() if states.is_terminal(state) else None,
                    transaction.id,
                ),
            )
            self._steps.end(connection, transaction.id, state)
            self._record_outcome(connection, transaction, state, reason, is_bad)
            self._report(connection, transaction.id, details or {})
        return self.transaction(transaction.id)

    def note(self, transaction: Transaction, *, clock: Clock | None = None, **plan: Any) -> Transaction:
        """Record fields of the transaction's plan, together with its clock."""
        merged = {**transaction.plan, **plan}
        with self.write("note") as connection:
            connection.execute(
                "UPDATE transactions SET plan = ?, clock = ? WHERE id = ?",
                (json.dumps(merged), _dump(clock or transaction.clock.stored()), transaction.id),
            )
        return self.transaction(transaction.id)

    def count_attempt(self, transaction: Transaction, clock: Clock) -> Transaction:
        """Count another attempt to end the transaction, before the attempt begins, with a clock of its own."""
        with self.write("attempt") as connection:
            connection.execute(
                "UPDATE transactions SET attempts = attempts + 1, clock = ? WHERE id = ?",
                (_dump(clock), transaction.id),
            )
        return self.transaction(transaction.id)

    def hold(self, transaction: Transaction, held: dict[str, Any], details: HeldDetails | None) -> Transaction:
        """Record that an untouched transaction is held; the step under way, if any, is taken back.

        Args:
            held: kind, reason, since and critical, for the plan.
            details: of the report that is queued together with the record; None for no report.
        """
        with self.write("hold") as connection:
            connection.execute(
                "UPDATE transactions SET plan = ?, intent = NULL, clock = ? WHERE id = ?",
                (
                    json.dumps({**transaction.plan, "held": held}),
                    _dump(transaction.clock.stored()),
                    transaction.id,
                ),
            )
            if details is not None:
                report.enqueue(
                    connection,
                    self.gateway_id,
                    ReportKind.HELD,
                    transaction=transaction,
                    version=transaction.version,
                    state=transaction.state,
                    reason=held["reason"],
                    details=details,
                )
        return self.transaction(transaction.id)

    @contextlib.contextmanager
    def part(self, transaction: Transaction, name: str) -> Iterator[bool]:
        """Run a part of the rollback only once: yields whether the part is still to be done."""
        done = any(step.name == name and step.done_at for step in self.steps(transaction.id))
        if done:
            yield False
            return
        with self.write(f"part.{name}.begin") as connection:
            self._steps.begin(connection, transaction.id, name)
        yield True
        with self.write(f"part.{name}.end") as connection:
            self._steps.end(connection, transaction.id, name)

    # -- within a SQLite transaction ------------------------------------------------------------------

    def _record_outcome(
        self,
        connection: sqlite3.Connection,
        transaction: Transaction,
        state: State,
        reason: str,
        is_bad: bool,
    ) -> None:
        """Record what the gateway runs from now on, and which version it will not try again."""
        if state is State.COMMITTED:
            self._set_installed(connection, transaction.version)
            self._set_baseline(connection, transaction)
            self._forgive(connection, transaction.version)
        elif state is State.ROLLED_BACK:
            self._set_installed(connection, transaction.from_version)
            if transaction.kind == ROLLBACK:  # an operator wants this one
                self._set_baseline(connection, transaction)
                self._forgive(connection, transaction.from_version)
            if is_bad:
                connection.execute(
                    "INSERT OR REPLACE INTO known_bad (version, transaction_id, reason, at) VALUES (?, ?, ?, ?)",
                    (transaction.version, transaction.id, reason or transaction.reason, stamp()),
                )

    def _forgive(self, connection: sqlite3.Connection, version: str) -> None:
        connection.execute("DELETE FROM known_bad WHERE version = ?", (version,))

    def _set_installed(self, connection: sqlite3.Connection, version: str) -> None:
        connection.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (INSTALLED, version))

    def _set_baseline(self, connection: sqlite3.Connection, transaction: Transaction) -> None:
        """Record that what the project gives to services is in force from now on."""
        if found := transaction.plan.get("baseline"):
            values = (facts.BASELINE, json.dumps({**found, "at": stamp()}))
            connection.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", values)

    def _report(self, connection: sqlite3.Connection, transaction_id: str, details: Mapping[str, Any]) -> None:
        row = connection.execute("SELECT * FROM transactions WHERE id = ?", (transaction_id,)).fetchone()
        now = parse(row)
        kind = ReportKind.ALARM if now.state is State.BROKEN else ReportKind.TRANSITION
        report.enqueue(
            connection,
            self.gateway_id,
            kind,
            transaction=now,
            version=now.version,
            state=now.state,
            reason=now.reason,
            details=details,
        )


def _dump(clock: Clock) -> str:
    return json.dumps(asdict(clock))


def _first(rows: list[sqlite3.Row]) -> Transaction | None:
    return parse(rows[0]) if rows else None
