"""Lost services: which of them a killed Docker daemon left down, and which a person stopped (F09)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ota_py.gateway.docker.daemon_restarts import DaemonWatch, daemon_started
from ota_py.gateway.docker.lost_services import lost
from tests.support.gateway.containers import RUNNING

START = 1_000_000.0
STOPPED = replace(RUNNING, state="exited", finished=START + 2)


@pytest.mark.case("F09")
@pytest.mark.parametrize(
    ("container", "comes_back"),
    [
        (STOPPED, True),
        (replace(STOPPED, restart_policy="always"), True),
        (replace(STOPPED, finished=START + 50, stop_seconds=40), True),
        (replace(STOPPED, finished=START - 1), False),
        (replace(STOPPED, finished=START + 50), False),
        (replace(STOPPED, restart_policy="no"), False),
        (replace(STOPPED, restart_policy="on-failure"), False),
        (replace(STOPPED, state="running"), False),
        (replace(STOPPED, state="created", finished=0.0), False),
    ],
    ids=["unless-stopped", "always", "slow to stop", "by a person, before", "by a person, after",
         "never", "on failure", "runs", "never ran"],
)  # fmt: skip
def test_only_what_the_engine_itself_stopped_comes_back(container, comes_back):
    assert bool(lost([container], START)) is comes_back


@pytest.mark.case("F09")
def test_a_new_engine_is_noticed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text("7")
    os.utime(pid_file, (START, START))
    watch = DaemonWatch(pid_file)
    assert not watch.restarted()
    pid_file.unlink()
    assert not watch.restarted(), "it is away"
    pid_file.write_text("8")
    os.utime(pid_file, (START + 9, START + 9))
    assert watch.restarted()
    assert not watch.restarted()
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    assert daemon_started(pid_file) is None
