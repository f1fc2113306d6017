"""The order of reports: number, clock and transaction may each mislead (F34)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ota_py.server.events.order import ReportOrder, is_newer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KNOWN = ReportOrder("t1", 50, NOON)


@pytest.mark.parametrize(
    ("transaction", "seq", "minutes", "newer", "why"),
    [
        ("t1", 51, 1, True, "the next step"),
        ("t1", 51, -600, True, "the next step, after the clock was set back"),
        ("t1", 49, -1, False, "a late step"),
        ("t1", 49, 600, False, "a late step, written before the clock was set back"),
        ("t1", 50, 0, False, "the same report"),
        ("t2", 60, 5, True, "the next transaction"),
        ("t2", 60, -600, True, "the next transaction, after the clock was set back"),
        ("t2", 3, 5, True, "the first transaction of a new journal"),
        ("t0", 40, -5, False, "a late report of the transaction before"),
        ("", 60, 5, True, "a status after the transaction"),
        ("", 40, -5, False, "a late status"),
    ],
)
def test_newer(transaction: str, seq: int, minutes: int, newer: bool, why: str) -> None:
    assert is_newer(ReportOrder(transaction, seq, NOON + timedelta(minutes=minutes)), KNOWN) is newer, why


def test_two_reports_without_a_transaction_are_not_of_the_same_one() -> None:
    assert is_newer(ReportOrder("", 1, NOON + timedelta(days=1)), ReportOrder("", 50, NOON)), "a new journal"


def test_anything_is_newer_than_nothing() -> None:
    assert is_newer(KNOWN, ReportOrder("", 0, None))
