"""The durable outbox: reports wait in the journal until the control plane has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ota_py.contract.reports import Report, ReportBody, ReportKind
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.report import enqueue
from ota_py.gateway.journal.transaction import Transaction


class Outbox:
    """The reports that wait to be delivered, oldest first."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def pending(self, limit: int = 1000, transaction: str | None = None) -> list[Report]:
        """At most `limit` undelivered reports, of one transaction or of all."""
        rows = self._journal.read(
            "SELECT seq, body FROM outbox WHERE ? IS NULL OR transaction_id = ? ORDER BY seq LIMIT ?",
            (transaction, transaction, limit),
        )
        bodies: list[ReportBody] = [json.loads(row["body"]) for row in rows]
        return [{**body, "seq": row["seq"]} for body, row in zip(bodies, rows, strict=True)]

    def acknowledge(self, ids: list[str]) -> int:
        """Forget reports that were delivered; returns how many of them were waiting."""
        if not ids:
            return 0
        with self._journal.write("outbox.acknowledge") as connection:
            cursor = connection.executemany("DELETE FROM outbox WHERE id = ?", [(i,) for i in ids])
            return cursor.rowcount

    def add(
        self,
        kind: ReportKind,
        *,
        version: str | None = None,
        state: str = "",
        reason: str = "",
        details: Mapping[str, Any] | None = None,
        transaction: Transaction | None = None,
        rollout: int | None = None,
    ) -> None:
        """Add a report that no transition wrote: `status`, `skipped` or `alarm`."""
        with self._journal.write(f"outbox.{kind}") as connection:
            enqueue(
                connection,
                self._journal.gateway_id,
                kind,
                transaction=transaction,
                rollout=rollout,
                version=version or self._journal.installed_version,
                state=state,
                reason=reason,
                details=details,
            )

    def alarm(self, reason: str, details: Mapping[str, Any] | None = None) -> None:
        """Add an alarm: a report that a person must act on."""
        self.add(ReportKind.ALARM, reason=reason, details=details)
