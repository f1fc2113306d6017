"""The report of a gateway, as the control plane ingests it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from ota_py.contract.reports import ReportKind


@dataclass(frozen=True)
class IncomingReport:
    """A report of the wire (`ota_py.contract.reports.Report`) with its values parsed and null made empty."""

    id: UUID
    seq: int
    at: datetime
    kind: ReportKind
    transaction: str = ""
    rollout: int | None = None
    version: str = ""
    from_version: str = ""
    state: str = ""
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)
