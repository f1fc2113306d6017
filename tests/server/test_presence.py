"""The thread that writes `last_seen`."""

from __future__ import annotations

import time

import pytest
from django.db import DatabaseError

from ota_py.server.fleet import presence
from ota_py.server.fleet.models import Gateway
from ota_py.server.fleet.presence import LastSeen

start = LastSeen._start


@pytest.fixture
def notes(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> LastSeen:
    """Notes of their own, written by a real and hasty thread."""
    monkeypatch.setattr(LastSeen, "_start", start)
    monkeypatch.setattr(presence, "FLUSH_SECONDS", 0.05)
    Gateway.objects.create(id="gw")
    return LastSeen()


def seen_within(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if Gateway.objects.get().last_seen:
            return True
        time.sleep(0.02)
    return False


def test_a_touch_is_written_soon_by_the_thread(notes: LastSeen) -> None:
    notes.touch("gw")
    assert seen_within(5)
    notes.stop()


def test_a_database_that_is_away_for_a_moment_does_not_end_the_thread(
    notes: LastSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([True, True])
    flush = notes.flush

    def flaky() -> int:
        if next(failures, False):
            raise DatabaseError("server closed the connection")
        return flush()

    monkeypatch.setattr(notes, "flush", flaky)
    notes.touch("gw")
    assert seen_within(5)
    notes.stop()


def test_ten_thousand_touches_are_written(db: None) -> None:
    Gateway.objects.bulk_create(Gateway(id=f"gw_{number}") for number in range(10_000))
    notes = LastSeen()
    notes._seen = dict.fromkeys(
        (f"gw_{number}" for number in range(10_000)), Gateway.objects.first().created_at
    )
    assert notes.flush() == 10_000
    assert not Gateway.objects.filter(last_seen=None).exists()
