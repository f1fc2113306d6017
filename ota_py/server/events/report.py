"""One report of a gateway, as the control plane takes it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Report:
    """One report as a gateway wrote it; see the API's schema for each field."""

    id: UUID
    seq: int
    at: datetime
    kind: str
    transaction: str = ""
    rollout: int | None = None
    version: str = ""
    from_version: str = ""
    state: str = ""
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)
