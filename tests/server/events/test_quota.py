"""A53: a gateway that reports without end is asked to wait, and nobody else is."""

from __future__ import annotations

from typing import Any

import pytest

from ota_py.server.events.models import Event
from ota_py.server.events.quota import BYTES, REPORTS, REQUESTS, Quota, QuotaExceededError
from tests.support.clocks import TurnedClock
from tests.support.server.world import World, report

pytestmark = [pytest.mark.django_db, pytest.mark.case("A53")]


def deliver(world: World, gateway: str, reports: list[dict[str, Any]]) -> Any:
    return world.gateways[gateway].post(f"/gateways/{gateway}/reports", {"reports": reports})


def until_refused(world: World, gateway: str, reports: list[dict[str, Any]], most: int) -> Any:
    for _ in range(most):
        answer = deliver(world, gateway, reports)
        if answer.status_code != 200:
            return answer
    raise AssertionError(f"{most} requests were taken")


def test_too_many_reports_are_refused_with_a_time(world: World) -> None:
    world.fleet(2)
    many = [report("gw_000", seq=seq) for seq in range(500)]
    answer = until_refused(world, "gw_000", many, 10)
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 500 / REPORTS.per_second
    assert answer.json()["error"]["code"] == "too_much"
    assert "quota of reports" in answer.json()["error"]["message"]
    assert deliver(world, "gw_001", [report("gw_001")]).status_code == 200, "the other one is served"


def test_what_was_refused_is_not_half_recorded(world: World) -> None:
    world.fleet(1)
    until_refused(world, "gw_000", [report("gw_000", seq=seq) for seq in range(1000)], 10)
    before = Event.objects.count()
    last = [report("gw_000", seq=seq) for seq in range(700)]
    assert deliver(world, "gw_000", last).status_code == 429
    assert Event.objects.count() == before


def test_many_requests_and_many_bytes_count_as_well(world: World) -> None:
    world.fleet(2)
    answer = until_refused(world, "gw_000", [], int(REQUESTS.store) + 30)
    assert "quota of requests" in answer.json()["error"]["message"]
    big = [report("gw_001", details={"log": "x" * 900_000})]
    answer = until_refused(world, "gw_001", big, 10)
    assert "quota of bytes" in answer.json()["error"]["message"]


def test_polls_and_the_controllers_relay_have_no_part_in_it(world: World) -> None:
    world.fleet(1)
    until_refused(world, "gw_000", [], int(REQUESTS.store) + 30)
    assert world.gateways["gw_000"].get("/gateways/gw_000/assignment").status_code == 204
    path, body = "/gateways/gw_000/reports", {"reports": [report("gw_000")]}
    assert world.operator.post(path, body).status_code == 200


def test_the_store_fills_up_again() -> None:
    clock = TurnedClock()
    quota = Quota(clock)
    quota.take("a", reports=REPORTS.store)
    with pytest.raises(QuotaExceededError) as caught:
        quota.take("a", reports=10)
    assert caught.value.seconds == pytest.approx(10 / REPORTS.per_second)
    clock.now += caught.value.seconds
    quota.take("a", reports=10)
    with pytest.raises(QuotaExceededError):
        quota.take("a", reports=1)


def test_a_refusal_uses_nothing() -> None:
    quota = Quota(TurnedClock())
    quota.take("a", requests=1, bytes=BYTES.store)
    for _ in range(500):
        with pytest.raises(QuotaExceededError):
            quota.take("a", requests=1, bytes=1)
    quota.take("a", requests=REQUESTS.store - 1)
