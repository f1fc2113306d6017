"""The health of one container; the gate on real containers is in test_gate.py and test_rollback.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ota_py.gateway.docker.project import Project
from ota_py.gateway.health.gate import Expectation, Mark, UptimeWatch, judge
from ota_py.gateway.journal.plan import Before
from tests.support.gateway.containers import RUNNING

STEADY = 100.0
EXPECTED = Expectation(
    Project({"name": "p", "services": {"app": {}}}),
    watched=["app"],
    images={"app": "sha256:new"},
    settle_seconds=5,
)


@pytest.mark.parametrize(
    ("container", "mark", "why"),
    [
        ({}, Mark.WELL, ""),
        ({"image_id": "sha256:old"}, Mark.FAILED, "runs the image sha256:old, expected sha256:new"),
        ({"health": "starting"}, Mark.WAITING, "has not passed its healthcheck yet"),
        ({"health": "unhealthy"}, Mark.FAILED, "is unhealthy by its own healthcheck"),
        ({"restarts": 2}, Mark.WELL, ""),
        ({"restarts": 3}, Mark.FAILED, "restarted 3 times"),
        (
            {"state": "restarting", "restarts": 3, "exit_code": 9},
            Mark.FAILED,
            "restarted 3 times, last exit status 9",
        ),
        ({"state": "restarting", "restarts": 1}, Mark.WAITING, "is restarting"),
        ({"state": "created"}, Mark.WAITING, "is created"),
        (
            {"state": "exited", "exit_code": 1, "restart_policy": "no"},
            Mark.FAILED,
            "is exited with exit status 1",
        ),
        ({"state": "exited"}, Mark.FAILED, "is exited with exit status 0"),
        ({"state": "paused"}, Mark.FAILED, "is paused with exit status 0"),
    ],
)
def test_verdicts(container: dict[str, Any], mark: Mark, why: str) -> None:
    verdict = judge(replace(RUNNING, **container), EXPECTED, STEADY)
    assert (verdict.mark, verdict.why) == (mark, why)


@pytest.mark.parametrize("policy", ["no", "on-failure"])
def test_a_one_shot_that_exited_0_did_its_work(policy: str) -> None:
    done = replace(RUNNING, state="exited", restart_policy=policy)
    assert judge(done, EXPECTED, STEADY).mark is Mark.WELL


def test_a_server_that_ran_before_and_exits_0_gave_up() -> None:
    done = replace(RUNNING, state="exited", restart_policy="no")
    expected = replace(EXPECTED, before=Before(running=["app"]))
    assert judge(done, expected, STEADY).mark is Mark.FAILED


def test_a_service_that_was_not_replaced_need_not_settle_and_may_restart() -> None:
    restarted = replace(RUNNING, restarts=10)
    assert judge(restarted, replace(EXPECTED, watched=[]), 0.0).mark is Mark.WELL


@pytest.mark.parametrize("health", ["", "healthy"])
def test_settling_takes_its_time_with_and_without_a_healthcheck(health: str) -> None:
    running = replace(RUNNING, health=health)
    verdict = judge(running, EXPECTED, 4.9)
    assert (verdict.mark, verdict.why) == (Mark.WAITING, "must run 5 s without a restart")
    assert judge(running, EXPECTED, 5.0).mark is Mark.WELL


@pytest.mark.case("F34")
@pytest.mark.parametrize("wall", [0.0, 2_208_988_800.0], ids=["1970", "2040"])
def test_no_clock_that_can_be_set_counts_for_settling(wall: float, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("time.time", lambda: wall)
    watch = UptimeWatch()
    assert watch.observe([RUNNING]) == {"c1": 0.0}
    now += 3
    assert watch.observe([RUNNING]) == {"c1": 3.0}
    again = replace(RUNNING, started=RUNNING.started - 7_000_000, restarts=1)
    assert watch.observe([again]) == {"c1": 0.0}, "a restart starts it anew, whatever the engine's clock says"
    now += 1
    other = replace(again, id="c2")
    assert watch.observe([again, other]) == {"c1": 1.0, "c2": 0.0}
    assert watch.observe([other]) == {"c2": 0.0}, "what is gone is forgotten"
    assert watch.observe([again]) == {"c1": 0.0}
