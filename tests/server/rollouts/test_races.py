"""Races of two callers: the database decides, and only one wins (F30, F41, F43)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from ota_py.server.events.models import Event
from ota_py.server.rollouts.models import Rollout
from ota_py.server.tokens.services import create_token
from ota_py.server.updates.models import Update
from tests.support.server.world import Api, World, rollout_body, transaction, update_body
from tests.support.states import STEPS

AT_ONCE = 6


@pytest.fixture
def world(committed_world: World) -> World:
    return committed_world


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """Run the acts in threads that start together, each with its own database connection."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            barrier.wait()
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def statuses(answers: list[Any]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def test_one_of_several_controllers_starts_a_rollout(world: World) -> None:
    rollout = world.rollout(world.fleet(1))
    controllers = [Api(create_token(f"controller {number}", "operator")) for number in range(AT_ONCE)]
    acts = [lambda api=api: api.post(f"/rollouts/{rollout}/start") for api in controllers]
    assert statuses(at_once(acts)) == {200: 1, 409: AT_ONCE - 1}
    assert Event.objects.filter(rollout=rollout, reason__startswith="started").count() == 1


def test_the_same_controller_may_ask_twice_at_once(world: World) -> None:
    rollout = world.rollout(world.fleet(1))
    acts = [lambda: world.operator.post(f"/rollouts/{rollout}/start")] * AT_ONCE
    assert statuses(at_once(acts)) == {200: AT_ONCE}
    assert Event.objects.filter(rollout=rollout, reason__startswith="started").count() == 1


def test_one_of_several_rollouts_gets_a_gateway(world: World) -> None:
    ids = world.fleet(3)
    world.update()
    orders = [ids, ids[::-1], ids[1:], ids[:2], ids, ids[::-1]]
    acts = [lambda order=order: world.operator.post("/rollouts", rollout_body(order)) for order in orders]
    found = statuses(at_once(acts))
    assert set(found) == {201, 409}
    members = [row.gateway_id for rollout in Rollout.objects.all() for row in rollout.gateways.all()]
    assert len(members) == len(set(members)), "a gateway is in two active rollouts"


def test_a_report_sent_twice_at_once_is_counted_once(world: World) -> None:
    rollout = world.running(world.fleet(1))
    body = {"reports": transaction("gw_000", STEPS, rollout)}
    gateway = world.gateways["gw_000"]
    answers = at_once([lambda: gateway.post("/gateways/gw_000/reports", body)] * AT_ONCE)
    assert statuses(answers) == {200: AT_ONCE}
    assert sum(len(answer.json()["accepted"]) for answer in answers) == len(STEPS)
    assert Event.objects.filter(report_id__isnull=False).count() == len(STEPS)


def test_a_batch_started_at_once_is_the_same_batch(world: World) -> None:
    rollout = world.rollout(world.fleet(4), serial=[2])
    world.operator.ok("POST", f"/rollouts/{rollout}/start")
    answers = at_once([lambda: world.operator.post(f"/rollouts/{rollout}/batches/0/start")] * AT_ONCE)
    assert [[row["id"] for row in answer.json()["assigned"]] for answer in answers] == [["gw_000", "gw_001"]] * AT_ONCE


def test_an_update_registered_at_once_is_one(world: World) -> None:
    acts = [lambda: world.operator.post("/updates", update_body("1.1.0"))] * AT_ONCE
    assert statuses(at_once(acts)) == {201: 1, 200: AT_ONCE - 1}
    assert Update.objects.count() == 1


def test_pause_and_start_of_a_batch_at_once_leave_no_half(world: World) -> None:
    rollout = world.rollout(world.fleet(2))
    world.operator.ok("POST", f"/rollouts/{rollout}/start")
    start = f"/rollouts/{rollout}/batches/0/start"
    at_once([lambda: world.operator.post(start), lambda: world.operator.post(f"/rollouts/{rollout}/pause")])
    states = {row.state for row in Rollout.objects.get().gateways.all()}
    assert states in ({"ASSIGNED"}, {"PENDING"})
    assert Rollout.objects.get().state == "PAUSED"
