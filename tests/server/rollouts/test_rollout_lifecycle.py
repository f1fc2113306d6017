"""The acts start, pause, abort and finish: a table of states and acts."""

from __future__ import annotations

import pytest

from ota_py.contract.fleet import RolloutState
from ota_py.server.rollouts.models import Rollout
from ota_py.server.rollouts.states import ABORT, FINISH, PAUSE, START
from tests.support.server.world import Api, World

ACTS = (START, PAUSE, ABORT, FINISH)


@pytest.mark.parametrize("state", RolloutState)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.verb)
def test_every_act_in_every_state(world: World, state: str, act: object) -> None:
    rollout = world.rollout(world.fleet(1))
    Rollout.objects.update(state=state, controller="somebody else")
    row = Rollout.objects.get().gateways.get()
    row.state = "SUCCEEDED"
    row.save()
    answer = world.operator.post(f"/rollouts/{rollout}/{act.verb}")  # type: ignore[attr-defined]
    if state in act.sources or (state == act.target and act is not START):  # type: ignore[attr-defined]
        assert answer.status_code == 200
        assert answer.json()["state"] == act.target  # type: ignore[attr-defined]
    else:
        assert answer.status_code == 409
        assert Rollout.objects.get().state == state
        if act is not START or state != "RUNNING":
            expected = f"cannot {act.verb} rollout {rollout} when it is {state}"  # type: ignore[attr-defined]
            assert answer.json()["error"]["message"] == expected


def test_starting_again_by_the_same_controller_changes_nothing(world: World) -> None:
    rollout = world.rollout(world.fleet(1))
    first = world.operator.ok("POST", f"/rollouts/{rollout}/start")
    assert first["started_at"]
    assert world.operator.ok("POST", f"/rollouts/{rollout}/start") == first


def test_a_second_controller_is_refused_until_the_rollout_is_paused(world: World) -> None:
    from ota_py.server.tokens.services import create_token

    other = Api(create_token("otto", "operator"))
    rollout = world.rollout(world.fleet(1))
    holder = world.operator.ok("POST", f"/rollouts/{rollout}/start")["controller"]
    message = other.refused(409, "POST", f"/rollouts/{rollout}/start")
    assert message == f"rollout {rollout} is run by {holder}"
    other.ok("POST", f"/rollouts/{rollout}/pause", {"reason": "taking over"})
    assert other.ok("POST", f"/rollouts/{rollout}/start")["controller"].startswith("otto#")


def test_one_token_two_controllers(world: World) -> None:
    rollout = world.rollout(world.fleet(1))
    world.operator.ok("POST", f"/rollouts/{rollout}/start", {"controller": "awx-1"})
    world.operator.ok("POST", f"/rollouts/{rollout}/start", {"controller": "awx-1"})
    world.operator.refused(409, "POST", f"/rollouts/{rollout}/start", {"controller": "awx-2"})


def test_pause_and_abort_say_why(world: World) -> None:
    rollout = world.running(world.fleet(1))
    paused = world.operator.ok("POST", f"/rollouts/{rollout}/pause", {"reason": "the gate said stop"})
    assert (paused["state"], paused["reason"]) == ("PAUSED", "the gate said stop")
    aborted = world.operator.ok("POST", f"/rollouts/{rollout}/abort")
    assert aborted["reason"].startswith("by olga#")
    assert aborted["reason"].endswith("; before, paused: the gate said stop")
    assert aborted["finished_at"]
    events = [event["reason"] for event in world.reader.ok("GET", f"/events?rollout={rollout}")["events"]]
    assert events[0].startswith("aborted: by olga")
    assert events[1] == "paused: the gate said stop"


def test_finish_waits_for_every_gateway(world: World) -> None:
    rollout = world.running(world.fleet(3))
    world.ends(rollout, "gw_000", "COMMITTED")
    world.ends(rollout, "gw_001", "ROLLED_BACK")
    message = world.operator.refused(409, "POST", f"/rollouts/{rollout}/finish")
    assert message == f"cannot finish rollout {rollout}: nothing final was heard of 1 of its gateways"
    world.operator.ok("POST", f"/rollouts/{rollout}/gateways/gw_002", {"state": "DEFERRED", "reason": "off"})
    shown = world.operator.ok("POST", f"/rollouts/{rollout}/finish")
    assert (shown["state"], shown["reason"]) == ("COMPLETED", "")
    assert shown["finished_at"]


def test_resuming_keeps_what_ended_and_accepts_its_failures(world: World) -> None:
    rollout = world.running(world.fleet(2), serial=[1])
    world.ends(rollout, "gw_000", "ROLLED_BACK")
    assert world.gate(rollout)["verdict"] == "STOP"
    world.operator.refused(409, "POST", f"/rollouts/{rollout}/batches/1/start")
    world.operator.ok("POST", f"/rollouts/{rollout}/pause", {"reason": "gate"})
    world.operator.ok("POST", f"/rollouts/{rollout}/start")
    assert world.result(rollout, "gw_000")["state"] == "ROLLED_BACK"
    assert world.operator.ok("POST", f"/rollouts/{rollout}/batches/0/start")["assigned"] == []
    world.operator.ok("POST", f"/rollouts/{rollout}/batches/1/start")
    assert world.gate(rollout, 1)["verdict"] == "WAIT"
    world.ends(rollout, "gw_001", "ROLLED_BACK")
    assert world.gate(rollout, 1)["verdict"] == "STOP"


def test_reports_after_the_end_are_still_facts(world: World) -> None:
    rollout = world.running(world.fleet(1))
    world.operator.ok("POST", f"/rollouts/{rollout}/abort")
    world.ends(rollout, "gw_000", "COMMITTED")
    assert world.result(rollout, "gw_000")["state"] == "SUCCEEDED"
    assert world.operator.ok("GET", f"/rollouts/{rollout}")["state"] == "ABORTED"


def test_the_list_has_counts_and_a_filter(world: World) -> None:
    ids = world.fleet(3)
    running = world.running(ids[:2])
    waiting = world.rollout(ids[2:])
    world.ends(running, "gw_000", "COMMITTED")
    rows = world.reader.ok("GET", "/rollouts")["rollouts"]
    assert [row["id"] for row in rows] == [waiting, running]
    assert (rows[1]["counts"]["SUCCEEDED"], rows[1]["counts"]["ASSIGNED"]) == (1, 1)
    assert "gateways" not in rows[0]
    pending = world.reader.ok("GET", "/rollouts?state=PENDING")["rollouts"]
    assert [row["id"] for row in pending] == [waiting]


@pytest.mark.parametrize("path", ["", "/start", "/pause", "/abort", "/finish", "/sweep", "/batches/0/start"])
def test_an_unknown_rollout_is_404(world: World, path: str) -> None:
    method = "POST" if path else "GET"
    assert world.operator.refused(404, method, f"/rollouts/77{path}") == "rollout 77 does not exist"
    world.operator.refused(422, method, f"/rollouts/{2**63}{path}")
    world.operator.refused(422, method, f"/rollouts/seven{path}")
