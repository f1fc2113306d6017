"""Parts of the lab that need no engine."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import docker.errors
import pytest

from lab import containers, engine
from lab.config import LabConfig
from lab.errors import LabError
from lab.images import BEHAVIOURS, BRIDGE_VERSIONS, MIGRATES, SERVICES, ImageFactory
from lab.oci import Registry, digest, layer_of_files
from lab.processes import process_id, start_process, stop_process
from tests.support.waiting import wait_for


@pytest.fixture
def factory() -> ImageFactory:
    names = {name for layers in SERVICES.values() for name in layers}
    layers = {name: layer_of_files({f"/{name}": (b"x", 0o644)}) for name in names}
    return ImageFactory(Registry("127.0.0.1:1"), layers)


def test_the_same_image_has_the_same_digest(factory: ImageFactory) -> None:
    manifests = [factory.build("mqtt-bridge", "1.0.0").manifest_bytes() for _ in range(2)]
    assert manifests[0] == manifests[1]


def test_every_version_of_the_story_is_another_image(factory: ImageFactory) -> None:
    digests = {
        digest(factory.build("mqtt-bridge", version, behaviour).manifest_bytes())
        for version, behaviour in BRIDGE_VERSIONS.items()
    }
    assert len(digests) == len(BRIDGE_VERSIONS)
    assert {*BRIDGE_VERSIONS.values(), MIGRATES} == set(BEHAVIOURS)


def test_an_unknown_service_is_named(factory: ImageFactory) -> None:
    with pytest.raises(LabError, match="unknown service 'nothing': choose one of database, "):
        factory.build("nothing", "1.0.0")


def test_a_process_is_started_once_and_stopped(tmp_path: Path) -> None:
    pid = start_process(tmp_path, "sleeper", ["sleep", "60"])
    assert start_process(tmp_path, "sleeper", ["sleep", "60"]) == pid
    assert process_id(tmp_path, "sleeper") == pid
    assert stop_process(tmp_path, "sleeper")
    assert process_id(tmp_path, "sleeper") is None


def test_one_that_is_killed_is_waited_for(tmp_path: Path) -> None:
    """It keeps its port until it is gone."""
    script = "trap '' TERM; touch ready; exec sleep 60"
    pid = start_process(tmp_path, "stubborn", ["sh", "-c", script], cwd=tmp_path)
    wait_for((tmp_path / "ready").exists, "the process to ignore SIGTERM")
    assert stop_process(tmp_path, "stubborn", seconds=0.1)
    assert not Path(f"/proc/{pid}").exists()


def test_what_the_engine_refuses_for_a_while_is_removed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers.time, "sleep", lambda seconds: None)
    said: list[Exception | None] = [
        docker.errors.APIError("did not receive an exit event"),
        docker.errors.APIError("removal is already in progress"),
        docker.errors.NotFound("no such container"),
        docker.errors.APIError("volume is in use"),
        None,
    ]

    def answer(*_: object, **__: object) -> None:
        if error := said.pop(0):
            raise error

    client = SimpleNamespace(api=SimpleNamespace(remove_volume=answer))
    containers.remove(client, SimpleNamespace(remove=answer), ["data"])  # type: ignore[arg-type]
    assert said == []


def test_a_container_of_somebody_else_may_go_while_a_lab_is_taken_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only whether any runs is asked: a list that inspects each fails with the one that has just gone."""
    asked = SimpleNamespace(containers=lambda: [{"Id": "gone by now"}])
    monkeypatch.setattr(engine, "started_by_lab", lambda config: True)
    assert not engine.stop_if_ours(LabConfig.from_environment(), SimpleNamespace(api=asked))  # type: ignore[arg-type]


def test_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other.pid").write_text(f'{{"pid": {os.getpid()}, "started": "1"}}')
    assert not stop_process(tmp_path, "other")
    assert not (tmp_path / "other.pid").exists()


@pytest.mark.parametrize(
    ("name", "subnet", "message"),
    [
        ("Lab!", "172.30.77.0/24", "OTA_LAB_NAME='Lab!'"),
        ("lab", "8.8.8.0/24", "use a private network"),
        ("lab", "172.30.77.0/28", "of /24 or larger"),
        ("lab", "172.30.77.1/24", "has host bits set"),
    ],
)
def test_names_and_subnets_are_checked(monkeypatch: pytest.MonkeyPatch, name: str, subnet: str, message: str) -> None:
    monkeypatch.setenv("OTA_LAB_NAME", name)
    monkeypatch.setenv("OTA_LAB_SUBNET", subnet)
    with pytest.raises(LabError, match=message):
        LabConfig.from_environment()
