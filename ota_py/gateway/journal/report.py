"""Reports to the control plane: each is written into the outbox together with the change that it reports."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from typing import Any

from ota_py.contract.reports import ReportBody, ReportKind
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.system.clock import stamp

# Kinds of reports of which only the last one counts, for each transaction and rollout.
STANDING = frozenset({ReportKind.STATUS, ReportKind.SKIPPED, ReportKind.HELD})


def enqueue(
    connection: sqlite3.Connection,
    gateway: str,
    kind: ReportKind,
    *,
    transaction: Transaction | None = None,
    rollout: int | None = None,
    version: str,
    state: str = "",
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add a report within the caller's SQLite transaction: it exists exactly if the change does.

    A report of the present situation replaces its predecessor that still waits, so that a gateway
    that is offline for months does not fill its disk. Transitions and alarms are events: none is ever dropped.
    """
    report: ReportBody = {
        "id": str(uuid.uuid4()),
        "at": stamp(),
        "kind": kind,
        "gateway": gateway,
        "transaction": transaction.id if transaction else None,
        "rollout": transaction.rollout if transaction else rollout,
        "version": version,
        "from_version": transaction.from_version if transaction else version,
        "state": state,
        "reason": reason,
        "details": details or {},
    }
    if kind in STANDING:
        connection.execute(
            "DELETE FROM outbox WHERE transaction_id IS ? AND json_extract(body, '$.kind') = ? "
            "AND json_extract(body, '$.rollout') IS ?",
            (report["transaction"], kind, report["rollout"]),
        )
    connection.execute(
        "INSERT INTO outbox (id, transaction_id, body) VALUES (?, ?, ?)",
        (report["id"], report["transaction"], json.dumps(report)),
    )
