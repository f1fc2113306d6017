"""The thread that writes `last_seen`."""

from __future__ import annotations

import pytest
from django.db import DatabaseError
from django.utils import timezone
from paho.mqtt.client import MQTTMessage

from ota_py.server.fleet import presence
from ota_py.server.fleet.listener import Listener
from ota_py.server.fleet.models import Gateway
from ota_py.server.fleet.presence import LastSeen
from tests.support.waiting import wait_for

start = LastSeen._start


@pytest.fixture
def notes(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> LastSeen:
    """Presence notes of the test's own, written by a real and hasty thread."""
    monkeypatch.setattr(LastSeen, "_start", start)
    monkeypatch.setattr(presence, "FLUSH_SECONDS", 0.05)
    Gateway.objects.create(id="gw")
    return LastSeen()


def test_a_touch_is_written_soon_by_the_thread(notes: LastSeen) -> None:
    notes.touch("gw")
    wait_for(lambda: Gateway.objects.get().last_seen, "the thread to write the note")
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
    wait_for(lambda: Gateway.objects.get().last_seen, "the thread to write the note")
    notes.stop()


def test_ten_thousand_touches_are_written(db: None) -> None:
    Gateway.objects.bulk_create(Gateway(id=f"gw_{number}") for number in range(10_000))
    notes = LastSeen()
    notes._seen = dict.fromkeys((f"gw_{number}" for number in range(10_000)), Gateway.objects.first().created_at)
    assert notes.flush() == 10_000
    assert not Gateway.objects.filter(last_seen=None).exists()


def test_who_left_the_broker_is_offline_until_it_is_seen_again(db: None) -> None:
    Gateway.objects.create(id="gw")
    notes = LastSeen()

    def is_online() -> bool:
        notes.flush()
        now = timezone.now()
        found = presence.online(Gateway.objects.get(), now)
        assert found == Gateway.objects.filter(presence.online_filter(now)).exists()
        assert found != Gateway.objects.exclude(presence.online_filter(now)).exists()
        return found

    assert not is_online()
    notes.gone("gw")
    assert not is_online()
    notes.touch("gw")
    assert is_online()
    notes.gone("gw")
    assert not is_online()
    notes.gone("gw")
    notes.touch("gw")
    notes.gone("stranger")
    assert is_online()


@pytest.mark.parametrize(
    ("topic", "payload", "retained", "heard"),
    [
        ("ota/gw/status", b'{"online": true, "version": "1.0.0"}', False, ["touch gw"]),
        ("ota/gw/status", b'{"online": false}', False, ["gone gw"]),
        ("ota/gw/status", b'{"online": true}', True, []),
        ("ota/gw/status", b'{"online": false}', True, ["gone gw"]),
        ("ota/gw/status", b'{"online": 1}', False, []),
        ("ota/gw/status", b"garbage", False, []),
        ("ota/gw/status", b"[" * 4000, False, []),
        ("ota/gw/status", b'{"online": false, "x": "' + b"x" * 5000 + b'"}', False, []),
        ("ota/GW';--/status", b'{"online": false}', False, []),
    ],
)
def test_a_status_is_one_of_two_words(topic: str, payload: bytes, retained: bool, heard: list[str]) -> None:
    answer: list[str] = []

    class Notes:
        def touch(self, gateway_id: str) -> None:
            answer.append(f"touch {gateway_id}")

        def gone(self, gateway_id: str) -> None:
            answer.append(f"gone {gateway_id}")

    listener = Listener.__new__(Listener)
    listener._presence = Notes()
    message = MQTTMessage(topic=topic.encode())
    message.payload, message.retain = payload, retained
    listener._on_status(None, None, message)  # type: ignore[arg-type]
    assert answer == heard
