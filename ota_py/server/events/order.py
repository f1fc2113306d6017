"""Which of two reports is the newer one, when the network delivers them in any order. Pure.

A gateway numbers its reports. The numbers start again when its journal is new, and its clock may jump: so
within a transaction the number decides, and between transactions a report is old only if both number and
time say so.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class ReportOrder(NamedTuple):
    """Where a report stands among those of its gateway."""

    transaction: str
    seq: int
    at: datetime | None


def is_newer(report: ReportOrder, known: ReportOrder) -> bool:
    """Whether `report` tells more than the newest one known."""
    if known.at is None or report.at is None:
        return True
    if report.transaction and report.transaction == known.transaction:
        return report.seq > known.seq
    return report.seq > known.seq or report.at > known.at
