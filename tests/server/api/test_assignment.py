"""The poll, `GET /gateways/{id}/assignment`: the answer to a gateway."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from ota_py.server.fleet.models import Gateway
from ota_py.server.fleet.presence import last_seen
from tests.support.server.world import World, held, report, transaction


def poll(world: World, gateway: str = "gw_000") -> dict[str, Any] | None:
    answer = world.gateways[gateway].get(f"/gateways/{gateway}/assignment")
    assert answer.status_code in (200, 204)
    return answer.json() if answer.status_code == 200 else None


def test_nothing_is_204_without_a_body(world: World) -> None:
    world.fleet(1)
    answer = world.gateways["gw_000"].get("/gateways/gw_000/assignment")
    assert (answer.status_code, answer.content) == (204, b"")


def test_an_assigned_gateway_hears_of_it_until_it_is_done(world: World) -> None:
    world.update("1.1.0", critical=True)
    rollout = world.rollout(world.fleet(1))
    assert poll(world) is None
    world.operator.ok("POST", f"/rollouts/{rollout}/start")
    assert poll(world) is None
    world.operator.ok("POST", f"/rollouts/{rollout}/batches/0/start")
    assigned = {"version": "1.1.0", "rollout": rollout, "critical": True}
    assert poll(world) == assigned
    world.report("gw_000", transaction("gw_000", ["RECEIVED"], rollout))
    assert poll(world) == assigned
    world.ends(rollout, "gw_000", "COMMITTED", first_seq=10)
    assert poll(world) is None


def test_only_the_gateways_of_the_started_batch(world: World) -> None:
    world.running(world.fleet(2), serial=[1])
    assert poll(world, "gw_000") is not None
    assert poll(world, "gw_001") is None


def test_push_gateways_are_left_to_the_controller(world: World) -> None:
    world.running(world.fleet(1, delivery="push"))
    assert poll(world) is None


def test_a_push_that_is_held_back_is_left_to_the_agent(world: World) -> None:
    rollout = world.running(world.fleet(1, delivery="push"))
    waiting = held("gw_000", rollout)
    world.report("gw_000", [waiting])
    assert poll(world) == {"version": "1.1.0", "rollout": rollout, "critical": False}
    world.operator.ok("POST", f"/rollouts/{rollout}/pause", {"reason": "lunch"})
    assert poll(world) is None
    world.operator.ok("POST", f"/rollouts/{rollout}/start")
    assert poll(world) is not None
    gone_on = report("gw_000", seq=6, state="STOPPED", rollout=rollout, transaction=waiting["transaction"])
    world.report("gw_000", [gone_on])
    assert poll(world) is None


def test_a_paused_rollout_assigns_nothing_and_a_resumed_one_again(world: World) -> None:
    rollout = world.running(world.fleet(1))
    world.operator.ok("POST", f"/rollouts/{rollout}/pause", {"reason": "lunch"})
    assert poll(world) is None
    world.operator.ok("POST", f"/rollouts/{rollout}/start")
    assert poll(world) is not None


def test_what_an_aborted_rollout_left_does_not_hide_the_next_one(world: World) -> None:
    gateways = world.fleet(1)
    aborted = world.running(gateways)
    world.operator.ok("POST", f"/rollouts/{aborted}/abort", {"reason": "no"})
    rollout = world.running(gateways, "1.2.0")
    assert poll(world) == {"version": "1.2.0", "rollout": rollout, "critical": False}


def test_a_withdrawn_update_is_assigned_no_more(world: World) -> None:
    world.running(world.fleet(1))
    world.operator.ok("POST", "/updates/1.1.0/withdraw")
    assert poll(world) is None


def test_a_poll_is_one_query_and_writes_nothing(world: World) -> None:
    world.running(world.fleet(1))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        poll(world)
    assert len(queries) == 1
    assert queries[0]["sql"].strip().startswith("SELECT")


def test_a_poll_is_seen_when_the_notes_are_flushed(world: World) -> None:
    world.fleet(2)
    poll(world)
    assert world.record("gw_000")["last_seen"] is None
    assert last_seen.flush() == 1
    assert world.record("gw_000")["online"] is True
    assert world.record("gw_001")["online"] is False
    assert last_seen.flush() == 0


def test_a_flush_never_moves_last_seen_back(world: World) -> None:
    world.fleet(1)
    poll(world)
    noted = dict(last_seen._seen)
    later = noted["gw_000"].replace(year=2100)
    Gateway.objects.update(last_seen=later)
    last_seen.flush()
    assert Gateway.objects.get().last_seen == later
