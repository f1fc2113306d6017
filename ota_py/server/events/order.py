"""The order of reports, which the network delivers in any order: which of two is newer. Pure.

A gateway numbers its reports. The numbers start again when its journal is new, and its clock may jump: so
within a transaction the number decides, and between transactions a report is old only by both number and
time.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class ReportOrder(NamedTuple):
    """The place of a report among those of its gateway."""

    transaction: str
    seq: int
    at: datetime | None


def is_newer(report: ReportOrder, known: ReportOrder) -> bool:
    """Whether `report` is newer than the newest one known."""
    if known.at is None or report.at is None:
        return True
    if report.transaction and report.transaction == known.transaction:
        return report.seq > known.seq
    return report.seq > known.seq or report.at > known.at
