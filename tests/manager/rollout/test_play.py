"""The play: the arguments of ansible-runner, and the handling of its events."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from ota_py.errors import ConfigError
from ota_py.manager.rollout import play
from ota_py.manager.rollout.inventory import deliveries
from ota_py.manager.rollout.play import BackgroundPlay, Play, runner_arguments
from tests.support.paths import ROOT

PLAY = Play(rollout=7, version="1.2.0", inventory=Path("/srv/inventory.yml"), config=Path("/srv/ota.toml"))


def test_the_arguments_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert runner_arguments(PLAY, Path("/tmp/private")) == {
        "private_data_dir": "/tmp/private",
        "project_dir": str(ROOT),
        "playbook": "rollout.yml",
        "inventory": "/srv/inventory.yml",
        "extravars": {"version": "1.2.0", "rollout": 7},
        "envvars": {
            "ANSIBLE_CONFIG": f"{ROOT}/ansible.cfg",
            "OTA_CONFIG": "/srv/ota.toml",
            "PATH": f"{Path(sys.executable).parent}:/usr/bin",
        },
        "quiet": True,
        "settings": {"suppress_ansible_output": True, "idle_timeout": 0, "job_timeout": 0},
    }


def test_a_checkout_without_the_playbook_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTA_PROJECT", str(tmp_path))
    with pytest.raises(ConfigError, match=r"there is no rollout\.yml in "):
        runner_arguments(PLAY, tmp_path)


@pytest.mark.case("A33")
def test_a33_the_runners_files_are_private_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rollout.yml").write_text("- hosts: localhost\n  gather_facts: false\n  tasks: []\n")
    (tmp_path / "ansible.cfg").touch()
    (tmp_path / "private").mkdir()
    monkeypatch.setenv("OTA_PROJECT", str(tmp_path))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "5ecret-of-the-store")
    monkeypatch.setattr(play.tempfile, "tempdir", str(tmp_path / "private"))
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {}\n")
    running = BackgroundPlay(Play(7, "1.2.0", inventory, tmp_path / "ota.toml"), lambda *_: None)
    (made,) = (tmp_path / "private").iterdir()

    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert running.wait(60)
    assert running.status == 0
    artifacts = [path.read_text() for path in made.rglob("*") if path.is_file()]
    assert artifacts
    assert not [text for text in artifacts if "5ecret" in text]
    running.close()
    assert list((tmp_path / "private").iterdir()) == []


def event(kind: str, host: str, action: str = "ota_apply", **result: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": host, "task_action": action, "res": result}}


def test_events_become_steps_of_gateways() -> None:
    steps: list[tuple[str, str]] = []
    play = object.__new__(BackgroundPlay)
    play._on_step = lambda gateway, step: steps.append((gateway, step))  # type: ignore[method-assign]
    play.failures = []
    kept = [
        play._handle_event(event("runner_on_start", "boston_001")),
        play._handle_event(event("runner_on_start", "batch.1")),
        play._handle_event(event("runner_on_start", "boston_001", "ansible.builtin.set_fact")),
        play._handle_event(event("runner_on_unreachable", "boston_002")),
        play._handle_event(event("runner_on_failed", "localhost", msg="no such update")),
    ]
    assert steps == [("boston_001", "applying"), ("boston_002", "unreachable")]
    assert play.failures == ["no such update"]
    assert not any(kept)


def test_deliveries_of_all_gateways_also_in_groups_of_groups() -> None:
    listed = {
        "_meta": {"hostvars": {"b": {"ota_delivery": "pull"}}},
        "gateways": {"hosts": ["a"], "children": ["boston"]},
        "boston": {"hosts": ["b", "a"]},
        "others": {"hosts": ["c"]},
    }
    assert deliveries(listed) == {"a": "push", "b": "pull"}
    assert deliveries({}) == {}
