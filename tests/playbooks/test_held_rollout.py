"""A push to a gateway that holds the update back: the rollout waits for its agent, and stays right."""

from __future__ import annotations

import threading

from tests.support.rollout.agents import agent
from tests.support.rollout.fleets import Fleet, one_line, updates

REASON = "outside the maintenance windows (daily 02:00-05:00)"


def wait_until_held(fleet: Fleet, name: str) -> None:
    fleet.wait_for_rollout()
    held = (name, "HELD")
    fleet.wait_for(lambda: held in [(g["id"], g["step"]) for g in fleet.rollout()["gateways"]], f"{name} to be held")


def test_the_rollout_waits_until_the_agent_has_ended_it_and_then_goes_on(fleet: Fleet) -> None:
    a, b = fleet.add("a", update="held", reason=REASON), fleet.add("b")
    seen = {}

    def window_opens() -> None:
        wait_until_held(fleet, a)
        seen.update({g["id"]: g for g in fleet.rollout()["gateways"]})
        fleet.behave(a, update="good")
        with agent(fleet, a):
            fleet.wait_for(lambda: fleet.states()["a"] == "SUCCEEDED", "the end of the update")

    night = threading.Thread(target=window_opens, daemon=True)
    night.start()
    done = fleet.roll_out(percentage=50)
    night.join(timeout=10)

    assert done.returncode == 0, done.stdout
    assert (seen[a]["state"], seen[a]["reason"]) == ("UPDATING", f"held: {REASON}")
    assert seen[b]["state"] == "PENDING", "the next batch waits for the one that is held back"
    assert fleet.states() == {"a": "SUCCEEDED", "b": "SUCCEEDED"}
    # Nothing was restored, and the agent asked for the very same rollout.
    assert ["recover"] not in fleet.engine(a)["calls"]
    number = str(fleet.rollout()["id"])
    assert updates(fleet, a)[-1] == ["update", "--version", fleet.version, "--rollout", number]


def test_one_that_waits_too_long_is_deferred_and_is_no_failure(fleet: Fleet) -> None:
    fleet.add("a", update="held", reason=REASON)
    fleet.add("b")
    done = fleet.roll_out(percentage=50, ota_held_minutes="0.02")

    rollout = fleet.rollout()
    assert (rollout["state"], fleet.states()) == ("COMPLETED", {"a": "DEFERRED", "b": "SUCCEEDED"})
    assert "not for all: 1 DEFERRED" in one_line(done.stdout)
    (row,) = [g for g in rollout["gateways"] if g["state"] == "DEFERRED"]
    assert row["reason"] == "held back for 0.02 minutes"
