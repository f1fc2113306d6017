"""The gate: a table of what gateways reported and what follows."""

from __future__ import annotations

import pytest

from ota_py.contract.fleet import GatewayResult
from ota_py.server.rollouts.gate import Row, evaluate
from ota_py.server.rollouts.states import AWAITED, FAILURES
from tests.support.server.world import World, held


def rows(first: list[str], second: list[str] | None = None) -> list[Row]:
    batches = (first, second or [])
    return [
        Row(f"g{batch}{index}", batch, state)
        for batch, states in enumerate(batches)
        for index, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("first", "second", "allowed", "accepted", "verdict", "reason"),
    [
        (["SUCCEEDED", "SUCCEEDED"], ["PENDING"], 0, 0, "GO", "batch 0 is done"),
        (["SUCCEEDED", "SKIPPED", "DEFERRED"], [], 0, 0, "GO", "batch 0 is done"),
        (["SUCCEEDED", "UPDATING"], [], 0, 0, "WAIT", "waiting for g01"),
        (["ASSIGNED", "PENDING"], [], 0, 0, "WAIT", "waiting for g00, g01"),
        (["ROLLED_BACK", "UPDATING"], [], 0, 0, "STOP", "1 failed, 0 allowed: g00"),
        (["ROLLED_BACK", "FAILED"], [], 1, 0, "STOP", "2 failed, 1 allowed: g00, g01"),
        (["ROLLED_BACK", "SUCCEEDED"], [], 1, 0, "GO", "batch 0 is done"),
        (["SUCCEEDED"], ["FAILED"], 0, 0, "STOP", "1 failed, 0 allowed: g10"),
        (["FAILED", "SUCCEEDED"], [], 0, 1, "GO", "batch 0 is done"),
        (["FAILED", "FAILED"], [], 0, 1, "STOP", "1 failed, 0 allowed: g00, g01"),
        (["FAILED"] * 7, [], 0, 0, "STOP", "7 failed, 0 allowed: g00, g01, g02, g03, g04 and 2 more"),
    ],
)
def test_verdicts(first: list[str], second: list[str], allowed: int, accepted: int, verdict: str, reason: str) -> None:
    found = evaluate(rows(first, second), 0, allowed, accepted)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_a_halted_rollout_stops_whoever_waits(world: World) -> None:
    rollout = world.running(world.fleet(1))
    assert world.gate(rollout)["verdict"] == "WAIT"
    world.operator.ok("POST", f"/rollouts/{rollout}/pause", {"reason": "lunch"})
    gate = world.gate(rollout)
    assert (gate["verdict"], gate["reason"]) == ("STOP", f"rollout {rollout} is PAUSED: lunch")


@pytest.mark.parametrize("state", GatewayResult)
def test_every_state_is_awaited_a_failure_or_neither(state: str) -> None:
    verdict = evaluate(rows([state]), 0, 0).verdict
    assert verdict == ("WAIT" if state in AWAITED else "STOP" if state in FAILURES else "GO")


def test_a_percentage_is_of_the_whole_rollout_floored(world: World) -> None:
    rollout = world.running(world.fleet(9), max_failures="25%")
    for index in range(2):
        world.ends(rollout, f"gw_{index:03d}", "ROLLED_BACK")
    gate = world.gate(rollout)
    assert (gate["verdict"], gate["failures"], gate["allowed"]) == ("WAIT", 2, 2)
    assert len(gate["pending"]) == 7
    assert gate["counts"]["ROLLED_BACK"] == 2
    world.ends(rollout, "gw_002", "FAILED")
    assert world.gate(rollout)["verdict"] == "STOP"


def test_one_that_is_held_back_is_waited_for_and_named(world: World) -> None:
    rollout = world.running(world.fleet(2))
    world.report("gw_001", [held("gw_001", rollout)])
    gate = world.gate(rollout)
    assert (gate["verdict"], gate["pending"], gate["held"]) == ("WAIT", ["gw_000", "gw_001"], ["gw_001"])
    assert gate["reason"] == "waiting for gw_000, gw_001; 1 held back"
    assert gate["failures"] == 0


def test_bad_batches(world: World) -> None:
    rollout = world.running(world.fleet(1))
    assert world.operator.refused(404, "GET", f"/rollouts/{rollout}/gate?batch=5").endswith("has no batch 5")
    world.operator.refused(422, "GET", f"/rollouts/{rollout}/gate")
    world.operator.refused(422, "GET", f"/rollouts/{rollout}/gate?batch=x")
