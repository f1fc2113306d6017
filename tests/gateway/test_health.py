"""How one container is judged; the gate on real containers is in test_rollback.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ota_py.gateway.container import Container
from ota_py.gateway.health import Expectation, Mark, judge
from ota_py.gateway.plan import Before
from ota_py.gateway.project import Project

NOW = 1_000.0
RUNNING = Container(
    id="c1",
    name="p-app-1",
    service="app",
    image_id="sha256:new",
    reference="registry/app@sha256:1",
    state="running",
    health="",
    exit_code=0,
    restarts=0,
    started=NOW - 100,
    finished=0.0,
    stop_seconds=10,
    restart_policy="unless-stopped",
    mounts=(),
)
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
        ({"started": NOW - 4}, Mark.WAITING, "must run 5 s without a restart"),
        ({"started": NOW + 3600}, Mark.WELL, ""),
        ({"health": "starting"}, Mark.WAITING, "has not passed its healthcheck yet"),
        ({"health": "unhealthy"}, Mark.FAILED, "is unhealthy by its own healthcheck"),
        ({"health": "healthy", "started": NOW - 1}, Mark.WAITING, "must run 5 s without a restart"),
        ({"restarts": 2}, Mark.WELL, ""),
        ({"restarts": 3, "exit_code": 9}, Mark.FAILED, "restarted 3 times, last exit status 9"),
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
    verdict = judge(replace(RUNNING, **container), EXPECTED, NOW)
    assert (verdict.mark, verdict.why) == (mark, why)


@pytest.mark.parametrize("policy", ["no", "on-failure"])
def test_a_one_shot_that_exited_0_did_its_work(policy: str) -> None:
    done = replace(RUNNING, state="exited", restart_policy=policy)
    assert judge(done, EXPECTED, NOW).mark is Mark.WELL


def test_a_server_that_ran_before_and_exits_0_gave_up() -> None:
    done = replace(RUNNING, state="exited", restart_policy="no")
    expected = replace(EXPECTED, before=Before(running=["app"]))
    assert judge(done, expected, NOW).mark is Mark.FAILED


def test_a_service_that_was_not_replaced_need_not_settle_and_may_restart() -> None:
    restarted = replace(RUNNING, restarts=10, started=NOW - 1)
    assert judge(restarted, replace(EXPECTED, watched=[]), NOW).mark is Mark.WELL
