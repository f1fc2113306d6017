"""The journal of the gateway software's own upgrades: the one under way, and builds that did not come up."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ota_py.contract.reports import ReportKind
from ota_py.contract.transactions import State
from ota_py.errors import BusyError, ConflictError
from ota_py.gateway.journal import report, states
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.versioned_records import known
from ota_py.gateway.system.clock import stamp


class Stage(StrEnum):
    """Where an upgrade is: the last step that is done."""

    FETCHED = "FETCHED"
    """The wheelhouse is here; the upgrade waits for the commit of its transaction."""
    BUILT = "BUILT"
    """The new virtual environment is whole."""
    SWITCHED = "SWITCHED"
    """The new build passed its self-check, and the link leads to it: the build is on trial."""
    PROVED = "PROVED"
    """The new agent completed a turn of its loop."""
    RETURNING = "RETURNING"
    """The new build failed its trial; the link is being switched back."""
    RETURNED = "RETURNED"
    """The old agent runs again."""
    FAILED = "FAILED"
    """The new build could not be made, or failed its self-check; the link leads to the old one."""
    CANCELLED = "CANCELLED"
    """The upgrade's transaction did not commit, or another version was installed meanwhile."""


_S = Stage
SUCCESSORS: dict[Stage, tuple[Stage, ...]] = {
    _S.FETCHED: (_S.BUILT, _S.FAILED, _S.CANCELLED),
    _S.BUILT: (_S.SWITCHED, _S.RETURNING, _S.FAILED, _S.CANCELLED),
    _S.SWITCHED: (_S.PROVED, _S.RETURNING, _S.CANCELLED, _S.BUILT),
    _S.RETURNING: (_S.RETURNED,),
    _S.PROVED: (),
    _S.RETURNED: (),
    _S.FAILED: (),
    _S.CANCELLED: (),
}
_ENDED = tuple(stage for stage, following in SUCCESSORS.items() if not following)
_BAD = (_S.RETURNED, _S.FAILED)


@dataclass(frozen=True)
class Upgrade:
    """One upgrade of the gateway software.

    Attributes:
        name: the build that it leads to; `from_name`: the one before.
        version: the plain version of the new build.
        transaction_id: the update that brought it.
        attempts: how often a supervisor has begun to work on it.
        proved_at: when the new agent completed its first turn.
        reason: why it ended so, or what it waits for.
    """

    number: int
    name: str
    version: str
    from_name: str
    transaction_id: str
    state: Stage
    attempts: int
    proved_at: str | None
    reason: str


class Upgrades:
    """The upgrades in a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def open(self) -> Upgrade | None:
        """The upgrade that has not ended, if any; there is at most one."""
        last = self.last()
        return last if last and last.state not in _ENDED else None

    def last(self) -> Upgrade | None:
        """The newest upgrade."""
        rows = self._journal.read("SELECT * FROM upgrades ORDER BY number DESC LIMIT 1")
        return _parse(rows[0]) if rows else None

    def is_due(self, upgrade: Upgrade) -> bool:
        """Whether a supervisor must work on the upgrade: not while its transaction is open."""
        return states.is_terminal(self._journal.transaction(upgrade.transaction_id).state)

    def is_committed(self, upgrade: Upgrade) -> bool:
        """Whether the upgrade's transaction was committed."""
        return self._journal.transaction(upgrade.transaction_id).state is State.COMMITTED

    def is_bad(self, name: str) -> bool:
        """Whether a build failed on this gateway the last time that it was tried."""
        query = "SELECT state FROM upgrades WHERE name = ? AND state <> ? ORDER BY number DESC LIMIT 1"
        rows = self._journal.read(query, (name, Stage.CANCELLED))
        return bool(rows) and rows[0]["state"] in _BAD

    def begin(self, name: str, version: str, from_name: str, transaction_id: str) -> Upgrade:
        """Record an upgrade whose wheelhouse is here; an earlier one that only waits is cancelled.

        Raises:
            BusyError: another upgrade is being carried out.
        """
        present = self.open()
        if present and present.state is not Stage.FETCHED:
            raise BusyError(
                f"the gateway software is being upgraded to {present.name}",
                hint="wait for it, and look with `status`",
            )
        with self._journal.write("upgrade.begin") as connection:
            connection.execute(
                "UPDATE upgrades SET state = ?, finished_at = ? WHERE state = ?",
                (Stage.CANCELLED, stamp(), Stage.FETCHED),
            )
            connection.execute(
                "INSERT INTO upgrades (name, version, from_name, transaction_id, state, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (name, version, from_name, transaction_id, Stage.FETCHED, stamp()),
            )
        made = self.last()
        assert made is not None
        return made

    def advance(self, upgrade: Upgrade, stage: Stage, reason: str = "") -> Upgrade:
        """Record that a stage is reached; a bad end queues an alarm in the same SQLite transaction."""
        if stage not in SUCCESSORS[upgrade.state]:
            raise ConflictError(f"an upgrade in stage {upgrade.state} cannot become {stage}")
        if stage is _S.RETURNED:
            reason = reason or upgrade.reason
        with self._journal.write(f"upgrade.{stage}") as connection:
            connection.execute(
                "UPDATE upgrades SET state = ?, reason = ?, finished_at = ? WHERE number = ?",
                (stage, reason, stamp() if stage in _ENDED else None, upgrade.number),
            )
            if stage in _BAD:
                self._alarm(connection, upgrade, reason)
        return self._read(upgrade.number)

    def count_attempt(self, upgrade: Upgrade) -> Upgrade:
        """Count another attempt, before it begins."""
        with self._journal.write("upgrade.attempt") as connection:
            connection.execute("UPDATE upgrades SET attempts = attempts + 1 WHERE number = ?", (upgrade.number,))
        return self._read(upgrade.number)

    def postpone(self, upgrade: Upgrade, reason: str, *, counts: bool) -> None:
        """Record what the upgrade waits for; the first time, an alarm reports it.

        Args:
            counts: whether this attempt counts against the limit.
        """
        with self._journal.write("upgrade.postpone") as connection:
            connection.execute(
                "UPDATE upgrades SET reason = ?, attempts = attempts - ? WHERE number = ?",
                (reason, 0 if counts else 1, upgrade.number),
            )
            if not upgrade.reason:
                self._alarm(connection, upgrade, f"for now, {reason}")

    def prove(self, upgrade: Upgrade) -> None:
        """Record that the new agent completed a turn; only the new agent itself calls this."""
        with self._journal.write("upgrade.prove") as connection:
            connection.execute(
                "UPDATE upgrades SET proved_at = coalesce(proved_at, ?) WHERE number = ?",
                (stamp(), upgrade.number),
            )

    def summary(self) -> dict[str, Any] | None:
        """The newest upgrade, for `status`."""
        last = self.last()
        if last is None:
            return None
        return {"name": last.name, "from": last.from_name, "state": str(last.state), "reason": last.reason}

    def _read(self, number: int) -> Upgrade:
        return _parse(self._journal.read("SELECT * FROM upgrades WHERE number = ?", (number,))[0])

    def _alarm(self, connection: sqlite3.Connection, upgrade: Upgrade, reason: str) -> None:
        report.enqueue(
            connection,
            self._journal.gateway_id,
            ReportKind.ALARM,
            version=self._journal.installed_version,
            reason=f"the gateway software stays at {upgrade.from_name}: {reason}",
            details={"upgrade": upgrade.name, "agent_version": upgrade.from_name},
        )


def _parse(row: sqlite3.Row) -> Upgrade:
    values: dict[str, Any] = dict(zip(row.keys(), row, strict=True))
    return known(Upgrade, {**values, "state": Stage(row["state"])})
