"""The playbook rollout.yml run by hand, against a real control plane and simulated gateways."""

from __future__ import annotations

import threading

import pytest

from tests.support.rollout.agents import agent
from tests.support.rollout.fleets import Fleet, one_line, recap, updates


def test_pushes_in_batches_and_only_to_the_named(fleet: Fleet) -> None:
    a, b, c = (fleet.add(name) for name in "abc")
    done = fleet.roll_out(gateways=f"{a},{b}", percentage=50, stagger="0.02")

    assert done.returncode == 0, done.stdout
    rollout = fleet.rollout()
    assert rollout["state"] == "COMPLETED"
    assert [(g["id"], g["batch"], g["state"]) for g in rollout["gateways"]] == [
        (a, 0, "SUCCEEDED"),
        (b, 1, "SUCCEEDED"),
    ]
    common = ["update", "--version", fleet.version]
    number = ["--rollout", str(rollout["id"])]
    assert updates(fleet, a) == [
        [*common, "--until", "VERIFIED", *number],
        [*common, "--until", "BACKED_UP", *number],
        [*common, *number],
    ]
    assert fleet.engine(a)["outbox"] == []
    assert fleet.engine(c)["calls"] == []


def test_one_that_rolls_back_stops_the_rollout_before_the_next_batch(fleet: Fleet) -> None:
    a = fleet.add("a", update="rolls_back", reason="mqtt-bridge: exited 1")
    b = fleet.add("b")
    done = fleet.roll_out(percentage=50)

    assert done.returncode != 0
    assert f"{a} did not get {fleet.version} (ROLLED_BACK): mqtt-bridge: exited 1 look at the gateway" in one_line(
        done.stdout
    )
    rollout = fleet.rollout()
    assert (rollout["state"], rollout["reason"]) == ("PAUSED", f"1 failed, 0 allowed: {a}")
    assert fleet.states() == {"a": "ROLLED_BACK", "b": "PENDING"}
    assert fleet.engine(b)["calls"] == []
    # The gateway rolled back by itself, so there was nothing to restore.
    assert ["recover"] not in fleet.engine(a)["calls"]


def test_a_paused_rollout_resumes_with_the_others(fleet: Fleet) -> None:
    a = fleet.add("a", update="rolls_back")
    fleet.add("b")
    fleet.roll_out(percentage=50)
    before = updates(fleet, a)
    done = fleet.roll_out(rollout=fleet.rollout()["id"])

    assert "is complete, but not for all: 1 ROLLED_BACK" in one_line(done.stdout)
    assert fleet.states() == {"a": "ROLLED_BACK", "b": "SUCCEEDED"}
    assert updates(fleet, a) == before


def test_as_many_failures_as_allowed_do_not_stop_it(fleet: Fleet) -> None:
    fleet.add("a", update="refuses", reason="signed by 0 of the release keys, expected 1")
    fleet.add("b")
    done = fleet.roll_out(percentage=50, max_failures=1)

    assert done.returncode != 0  # not everybody has the update
    assert fleet.rollout()["state"] == "COMPLETED"
    assert fleet.states() == {"a": "FAILED", "b": "SUCCEEDED"}


def test_f40_an_offline_batch_is_deferred_and_the_next_goes_on(fleet: Fleet) -> None:
    fleet.add("a", unreachable=True)
    b = fleet.add("b")
    done = fleet.roll_out(percentage=50)

    rollout = fleet.rollout()
    assert rollout["state"] == "COMPLETED"
    assert fleet.states() == {"a": "DEFERRED", "b": "SUCCEEDED"}
    assert len(updates(fleet, b)) == 3
    # Swept once more at the end: a batch of its own after the planned ones.
    assert [g["batch"] for g in rollout["gateways"] if g["state"] == "DEFERRED"] == [2]
    assert "not for all: 1 DEFERRED" in one_line(done.stdout)


def test_push_and_pull_in_one_rollout(fleet: Fleet) -> None:
    pulls = fleet.add("a", "pull")
    pushed = fleet.add("b")
    with agent(fleet, pulls):
        done = fleet.roll_out(percentage=100)

    assert done.returncode == 0, done.stdout
    assert fleet.states() == {"a": "SUCCEEDED", "b": "SUCCEEDED"}
    # One host for the batch, one for the gateway that is pushed to, and none for the one that pulls.
    assert f"{pulls} " not in recap(done.stdout)
    assert f"{pushed} " in recap(done.stdout)


def test_f40_a_silent_pull_gateway_is_deferred_then_swept_when_it_is_back(fleet: Fleet) -> None:
    late = fleet.add("a", "pull")
    fleet.add("b", update="good")

    def come_back() -> None:
        fleet.wait_for(lambda: fleet.states().get("a") == "DEFERRED", "the silent gateway to be deferred")
        with agent(fleet, late):
            fleet.wait_for(lambda: fleet.rollout()["state"] == "COMPLETED", "the end of the rollout")

    while_it_runs = threading.Thread(target=lambda: (fleet.wait_for_rollout(), come_back()), daemon=True)
    while_it_runs.start()
    done = fleet.roll_out(percentage=50, ota_reach_minutes="0.05")
    while_it_runs.join(timeout=10)

    assert done.returncode == 0, done.stdout
    assert fleet.states() == {"a": "SUCCEEDED", "b": "SUCCEEDED"}


def test_an_unknown_gateway_is_refused_before_anything_starts(fleet: Fleet) -> None:
    a = fleet.add("a")
    stranger = fleet.add("b", registered=False)
    done = fleet.roll_out(gateways=f"{a},nobody")
    assert "not in the inventory: nobody" in one_line(done.stdout)
    done = fleet.roll_out(gateways=f"{a},{stranger}")
    assert f"gateways not registered: {stranger}" in one_line(done.stdout)

    assert done.returncode != 0
    assert fleet.version not in [one["version"] for one in fleet.control_plane.rollouts()]
    assert fleet.engine(a)["calls"] == []


def test_a_busy_gateway_is_waited_for(fleet: Fleet) -> None:
    a = fleet.add("a", busy=2)
    done = fleet.roll_out(ota_update_busy_seconds=0)

    assert done.returncode == 0, done.stdout
    assert len(updates(fleet, a)) == 5


def test_a_gateway_without_a_working_engine_counts_as_failed(fleet: Fleet) -> None:
    fleet.add("a", update="crashes")
    fleet.roll_out()

    (gateway,) = fleet.rollout()["gateways"]
    assert gateway["state"] == "FAILED"
    assert gateway["reason"] == "the gateway's engine gave no answer (status 1): Segmentation fault"


@pytest.mark.case("A25")
def test_a25_what_a_gateway_says_is_never_a_template(fleet: Fleet) -> None:
    mark = fleet.directory / "owned"
    attack = "{{ lookup('ansible.builtin.pipe', 'touch " + str(mark) + "') }}"
    fleet.add("a", update="rolls_back", reason=attack)
    done = fleet.roll_out()

    assert not mark.exists()
    assert attack in one_line(done.stdout)
    assert fleet.rollout()["gateways"][0]["reason"] == attack


def test_check_mode_records_and_touches_nothing(fleet: Fleet) -> None:
    a = fleet.add("a")
    done = fleet.play("-e", f"version={fleet.version}", "--check", "--diff")

    assert done.returncode == 0, done.stdout
    assert f"would go from 1.0.0 to {fleet.version}" in one_line(done.stdout) or "+    version" in done.stdout
    assert fleet.version not in [one["version"] for one in fleet.control_plane.rollouts()]
    assert {call[0] for call in fleet.engine(a)["calls"]} <= {"verify", "status"}
    assert fleet.engine(a)["calls"]
