"""Creation of rollouts by `POST /rollouts`, and plans by `/rollouts/plan`."""

from __future__ import annotations

from typing import Any

import pytest

from ota_py.server.rollouts.models import Rollout
from tests.support.server.world import World, rollout_body


def test_a_rollout_is_pending_with_its_batches_in_the_order_given(world: World) -> None:
    world.fleet(5)
    world.update()
    order = ["gw_003", "gw_001", "gw_004", "gw_000", "gw_002"]
    body = rollout_body(order, serial=[1, "50%"], stagger_minutes=2.5, max_failures="20%")
    answer = world.operator.post("/rollouts", body)
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["state"], shown["batch_sizes"], shown["version"]) == ("PENDING", [1, 2, 2], "1.1.0")
    assert (shown["stagger_minutes"], shown["max_failures"]) == (2.5, "20%")
    assert [(row["id"], row["batch"]) for row in shown["gateways"]] == list(zip(order, [0, 1, 1, 2, 2], strict=True))
    assert shown["counts"]["PENDING"] == 5
    assert sum(shown["counts"].values()) == 5
    assert shown == world.reader.ok("GET", f"/rollouts/{shown['id']}")


def test_delivery_is_the_gateways_own_unless_given(world: World) -> None:
    world.gateway("a", delivery="push")
    world.gateway("b", delivery="push")
    world.update()
    body = {**rollout_body([]), "gateways": [{"id": "a"}, {"id": "b", "delivery": "pull"}]}
    rows = world.operator.ok("POST", "/rollouts", body)["gateways"]
    assert [row["delivery"] for row in rows] == ["push", "pull"]


def test_not_given_it_is_one_then_a_quarter_then_the_rest(world: World) -> None:
    ids = world.fleet(8)
    world.update()
    body = {"version": "1.1.0", "gateways": [{"id": gateway} for gateway in ids]}
    assert world.operator.ok("POST", "/rollouts/plan", body)["batch_sizes"] == [1, 2, 5]


def test_a_plan_records_nothing(world: World) -> None:
    ids = world.fleet(3)
    world.update()
    body = rollout_body(ids, serial=["50%"], max_failures="50%")
    plan = world.reader.ok("POST", "/rollouts/plan", body)
    assert (plan["batch_sizes"], plan["allowed_failures"]) == ([1, 1, 1], 1)
    assert [row["batch"] for row in plan["gateways"]] == [0, 1, 2]
    assert not Rollout.objects.exists()


@pytest.mark.parametrize("path", ["/rollouts", "/rollouts/plan"])
def test_unknown_gateways_are_all_named_and_nothing_is_made(world: World, path: str) -> None:
    world.fleet(1)
    world.update()
    message = world.operator.refused(404, "POST", path, rollout_body(["x", "gw_000", "y"]))
    assert message == "gateways not registered: x, y"
    assert not Rollout.objects.exists()


def test_an_unknown_version_is_refused(world: World) -> None:
    message = world.operator.refused(404, "POST", "/rollouts", rollout_body(world.fleet(1), "9.9.9"))
    assert message == "update 9.9.9 is not registered"


@pytest.mark.parametrize("end", ["abort", "finish"])
def test_a_gateway_is_in_one_active_rollout_only(world: World, end: str) -> None:
    ids = world.fleet(3)
    first = world.running(ids[:2])
    message = world.operator.refused(409, "POST", "/rollouts", rollout_body(ids))
    assert message == f"gateways in another active rollout: gw_000 (rollout {first}), gw_001 (rollout {first})"
    for gateway in ids[:2]:
        world.ends(first, gateway, "COMMITTED")
    world.operator.ok("POST", f"/rollouts/{first}/{end}")
    assert world.rollout(ids) > first


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        ({"gateways": []}, 400),
        ({"gateways": [{"id": "gw_000"}, {"id": "gw_000"}]}, 400),
        ({"gateways": [{"id": "GW"}]}, 422),
        ({"gateways": [{"id": "gw_000", "delivery": "fax"}]}, 422),
        ({"serial": []}, 400),
        ({"serial": ["0%"]}, 400),
        ({"serial": ["101%"]}, 400),
        ({"serial": [0]}, 400),
        ({"serial": [1, "half"]}, 400),
        ({"serial": [1.5]}, 422),
        ({"serial": "50%"}, 422),
        ({"max_failures": "-1"}, 400),
        ({"max_failures": "200%"}, 400),
        ({"max_failures": 2}, 422),
        ({"stagger_minutes": -1}, 422),
        ({"stagger_minutes": 1e9}, 422),
        ({"version": "newest"}, 422),
        ({"batch": 1}, 422),
    ],
    ids=str,
)
def test_bad_input_is_refused_and_makes_nothing(world: World, bad: dict[str, Any], status: int) -> None:
    ids = world.fleet(1)
    world.update()
    message = world.operator.refused(status, "POST", "/rollouts", {**rollout_body(ids), **bad})
    assert message
    assert not Rollout.objects.exists()


def test_ten_thousand_gateways_fit(world: World) -> None:
    from ota_py.server.fleet.models import Gateway

    ids = [f"gw_{number:05d}" for number in range(10_000)]
    Gateway.objects.bulk_create(Gateway(id=gateway) for gateway in ids)
    world.update()
    shown = world.operator.ok("POST", "/rollouts", rollout_body(ids, serial=["10%"]))
    assert shown["batch_sizes"] == [1000] * 10
