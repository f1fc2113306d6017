"""Retention of events: old ones are deleted in small batches, and nothing is lost that is still needed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ota_py.contract.fleet import ActKind
from ota_py.server.events import retention
from ota_py.server.events.models import Event
from ota_py.server.statistics import ROLLBACKS_SHOWN
from tests.support.server.world import World, moment, report

DAYS = 90


def age(days: float) -> None:
    """Make all recorded events older."""
    for event in Event.objects.all():
        Event.objects.filter(pk=event.pk).update(recorded_at=event.recorded_at - timedelta(days=days))


def delete_old() -> list[int]:
    return list(retention.delete_before(timezone.now() - timedelta(days=DAYS)))


def status(gateway: str, seq: int) -> dict[str, Any]:
    return report(gateway, seq=seq, at=moment(seq), kind="status", state="", details={"version": "1.0.0"})


def kinds() -> set[str]:
    return set(Event.objects.values_list("kind", flat=True))


def test_what_gateways_reported_goes_when_it_is_old(world: World) -> None:
    rollout = world.running(world.fleet(2))
    for gateway, end in (("gw_000", "COMMITTED"), ("gw_001", "ROLLED_BACK")):
        world.report(gateway, [status(gateway, seq=30)])
        world.ends(rollout, gateway, end)
    world.operator.ok("POST", f"/rollouts/{rollout}/abort")
    age(DAYS - 1)
    before = Event.objects.count()
    assert sum(delete_old()) == 0
    assert Event.objects.count() == before
    age(2)
    world.report("gw_000", [status("gw_000", seq=40)])
    reported = [world.reader.ok("GET", path) for path in ("/statistics", f"/rollouts/{rollout}", "/gateways")]
    assert sum(delete_old()) > 15
    # The rollback that the statistics show, the newest report, and what people did.
    left = Event.objects.exclude(kind__in=(ActKind.UPDATE, ActKind.ROLLOUT))
    assert [(event.gateway_id, event.kind, event.state) for event in left] == [
        ("gw_000", "status", ""),
        ("gw_001", "transition", "ROLLED_BACK"),
    ]
    assert {event.reason.partition(" by")[0] for event in Event.objects.filter(kind=ActKind.ROLLOUT)} >= {"created"}
    assert Event.objects.filter(kind=ActKind.UPDATE).count() == 2
    assert reported == [world.reader.ok("GET", path) for path in ("/statistics", f"/rollouts/{rollout}", "/gateways")]


def test_a_rollout_that_has_not_ended_keeps_its_events(world: World) -> None:
    rollout = world.running(world.fleet(1))
    world.ends(rollout, "gw_000", "COMMITTED")
    age(DAYS + 1)
    for act in ("pause", "start"):
        world.operator.ok("POST", f"/rollouts/{rollout}/{act}")
        assert sum(delete_old()) == 0
    world.operator.ok("POST", f"/rollouts/{rollout}/finish")
    assert sum(delete_old()) > 0
    assert "transition" not in kinds()


def test_as_many_rollbacks_stay_as_are_shown(world: World) -> None:
    world.gateway("gw_000")
    rollbacks = [report("gw_000", seq=seq, at=moment(seq), state="ROLLED_BACK") for seq in range(ROLLBACKS_SHOWN + 5)]
    world.report("gw_000", rollbacks)
    age(DAYS + 1)
    shown = world.reader.ok("GET", "/statistics")["rollbacks"]
    assert sum(delete_old()) == 5
    assert world.reader.ok("GET", "/statistics")["rollbacks"] == shown


def test_it_goes_in_small_batches_and_ends_where_events_are_new(
    world: World, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 4)
    world.gateway("gw_000")
    world.report("gw_000", [status("gw_000", seq=seq) for seq in range(1, 11)])
    age(DAYS + 1)
    world.report("gw_000", [status("gw_000", seq=seq) for seq in range(11, 31)])
    with django_assert_num_queries(1 + 3 + 3):  # the last batch is the first that has a new one
        assert delete_old() == [4, 4, 2]
    assert Event.objects.count() == 20


def test_a_report_that_comes_once_more_after_that_changes_nothing(world: World) -> None:
    world.gateway("gw_000")
    old = status("gw_000", seq=1) | {"details": {"version": "0.9.0"}}
    world.report("gw_000", [old, status("gw_000", seq=2)])
    age(DAYS + 1)
    assert sum(delete_old()) == 2
    before = world.record("gw_000")
    assert world.report("gw_000", [old])["accepted"] == [old["id"]]
    assert world.record("gw_000") | {"last_seen": None, "online": None} == before | {
        "last_seen": None,
        "online": None,
    }
    assert before["version"] == "1.0.0"


def test_nothing_to_forget(world: World) -> None:
    assert delete_old() == [0]
