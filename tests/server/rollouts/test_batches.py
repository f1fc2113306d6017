"""Batches: start, defer, sweep; each gateway is dispatched once (F40, F41, F43)."""

from __future__ import annotations

import pytest

from ota_py.server.rollouts.models import RolloutGateway
from tests.support.server.world import World, rollout_body


def start(world: World, rollout: int, batch: int) -> list[str]:
    assigned = world.operator.ok("POST", f"/rollouts/{rollout}/batches/{batch}/start")["assigned"]
    return [row["id"] for row in assigned]


def defer(world: World, rollout: int, gateway: str) -> None:
    body = {"state": "DEFERRED", "reason": "no route to host"}
    world.operator.ok("POST", f"/rollouts/{rollout}/gateways/{gateway}", body)


def test_a_batch_assigns_its_gateways_with_their_delivery(world: World) -> None:
    world.gateway("a", delivery="push")
    world.gateway("b", delivery="pull")
    world.gateway("c")
    rollout = world.rollout(["a", "b", "c"], serial=[2])
    world.operator.ok("POST", f"/rollouts/{rollout}/start")
    answer = world.operator.ok("POST", f"/rollouts/{rollout}/batches/0/start")
    assert answer == {"assigned": [{"id": "a", "delivery": "push"}, {"id": "b", "delivery": "pull"}]}
    assert world.result(rollout, "c")["state"] == "PENDING"


def test_starting_it_again_dispatches_nothing_anew(world: World) -> None:
    rollout = world.running(world.fleet(3))
    world.ends(rollout, "gw_000", "COMMITTED")
    world.ends(rollout, "gw_001", "FAILED")
    assert start(world, rollout, 0) == ["gw_002"]
    assert world.result(rollout, "gw_000")["state"] == "SUCCEEDED"
    assert world.result(rollout, "gw_001")["state"] == "FAILED"


@pytest.mark.parametrize("act", ["pause", "abort"])
def test_a_rollout_that_does_not_run_starts_no_batch(world: World, act: str) -> None:
    rollout = world.running(world.fleet(2), serial=[1])
    world.ends(rollout, "gw_000", "COMMITTED")
    state = world.operator.ok("POST", f"/rollouts/{rollout}/{act}")["state"]
    message = world.operator.refused(409, "POST", f"/rollouts/{rollout}/batches/1/start")
    assert message == f"cannot start a batch of rollout {rollout} when it is {state}"
    assert world.result(rollout, "gw_001")["state"] == "PENDING"


def test_a_batch_waits_its_turn(world: World) -> None:
    rollout = world.running(world.fleet(2), serial=[1])
    message = world.operator.refused(409, "POST", f"/rollouts/{rollout}/batches/1/start")
    assert message == f"cannot start batch 1 of rollout {rollout}: not done yet: gw_000"
    defer(world, rollout, "gw_000")
    assert start(world, rollout, 1) == ["gw_001"]


def test_a_batch_that_is_not_there_is_404(world: World) -> None:
    rollout = world.running(world.fleet(1))
    message = world.operator.refused(404, "POST", f"/rollouts/{rollout}/batches/1/start")
    assert message == f"rollout {rollout} has no batch 1"
    world.operator.refused(422, "POST", f"/rollouts/{rollout}/batches/-1/start")


def test_deferring_is_recorded_and_is_no_failure(world: World) -> None:
    rollout = world.running(world.fleet(1))
    defer(world, rollout, "gw_000")
    defer(world, rollout, "gw_000")
    row = world.result(rollout, "gw_000")
    assert (row["state"], row["reason"]) == ("DEFERRED", "no route to host")
    assert world.gate(rollout) | {"counts": None} == {
        "verdict": "GO",
        "reason": "batch 0 is done",
        "failures": 0,
        "allowed": 0,
        "pending": [],
        "held": [],
        "counts": None,
    }
    events = world.reader.ok("GET", f"/events?rollout={rollout}&gateway=gw_000")["events"]
    assert [event["kind"] for event in events] == ["deferred"]


@pytest.mark.parametrize("state", ["PENDING", "SUCCEEDED", "ROLLED_BACK", "FAILED", "SKIPPED"])
def test_only_what_is_under_way_can_be_deferred(world: World, state: str) -> None:
    rollout = world.running(world.fleet(1))
    RolloutGateway.objects.update(state=state)
    body = {"state": "DEFERRED", "reason": ""}
    message = world.operator.refused(409, "POST", f"/rollouts/{rollout}/gateways/gw_000", body)
    assert message == f"cannot defer gateway gw_000 in rollout {rollout} when it is {state}"


def test_no_other_state_is_set_from_outside(world: World) -> None:
    rollout = world.running(world.fleet(2), serial=[1])
    world.operator.refused(422, "POST", f"/rollouts/{rollout}/gateways/gw_000", {"state": "SUCCEEDED"})
    body = {"state": "DEFERRED"}
    message = world.operator.refused(404, "POST", f"/rollouts/{rollout}/gateways/stranger", body)
    assert message == f"gateway stranger is not part of rollout {rollout}"


def test_a_deferred_gateway_that_finished_by_itself_counts(world: World) -> None:
    rollout = world.running(world.fleet(1))
    defer(world, rollout, "gw_000")
    world.ends(rollout, "gw_000", "COMMITTED")
    assert world.result(rollout, "gw_000")["state"] == "SUCCEEDED"


def test_a_sweep_tries_the_deferred_again_in_a_last_batch(world: World) -> None:
    rollout = world.running(world.fleet(3))
    defer(world, rollout, "gw_000")
    defer(world, rollout, "gw_002")
    world.ends(rollout, "gw_001", "COMMITTED")
    answer = world.operator.ok("POST", f"/rollouts/{rollout}/sweep")
    assert (answer["batch"], [row["id"] for row in answer["gateways"]]) == (1, ["gw_000", "gw_002"])
    assert world.operator.ok("GET", f"/rollouts/{rollout}")["batch_sizes"] == [3, 2]
    assert world.result(rollout, "gw_000")["state"] == "PENDING"
    assert start(world, rollout, 1) == ["gw_000", "gw_002"]
    assert world.operator.ok("POST", f"/rollouts/{rollout}/sweep") == {"batch": 1, "gateways": []}


def test_a_resumed_batch_takes_its_deferred_gateways_along(world: World) -> None:
    rollout = world.running(world.fleet(2))
    defer(world, rollout, "gw_000")
    assert start(world, rollout, 0) == ["gw_000", "gw_001"]


def test_a_swept_gateway_is_not_free_for_another_rollout(world: World) -> None:
    ids = world.fleet(1)
    rollout = world.running(ids)
    defer(world, rollout, "gw_000")
    world.operator.refused(409, "POST", "/rollouts", rollout_body(ids))
