"""A fleet for each test: real registry, control plane and repository, shared servers, fresh state."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ota_py.cli import run
from ota_py.manager.cli import command
from tests.support.manager.oci_images import push_image
from tests.support.operators import serving
from tests.support.registries import running_registry
from tests.support.waiting import wait_for

IMAGES = '{"mqtt-bridge": "healthguard/mqtt-bridge:1.2.0"}'


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a registry with healthguard/mqtt-bridge:1.2.0."""
    with running_registry(tmp_path_factory.mktemp("registry")) as address:
        push_image(address, "healthguard/mqtt-bridge", "1.2.0")
        yield address


@dataclass
class Fleet:
    """A directory with an ota.toml, made by `init`."""

    directory: Path
    control_plane_url: str
    database: Path

    @property
    def config(self) -> Path:
        return self.directory / "ota.toml"

    def change(self, old: str, new: str) -> None:
        """Edit ota.toml."""
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def repository(self) -> dict[str, bytes]:
        """Everything in the repository, by key."""
        top = self.directory / "repository"
        return {p.relative_to(top).as_posix(): p.read_bytes() for p in top.rglob("*") if p.is_file()}

    def rows(self, query: str) -> list[Any]:
        with sqlite3.connect(self.database, timeout=60) as connection:
            return connection.execute(query).fetchall()

    def state(self) -> tuple[dict[str, bytes], list[Any]]:
        """The state that must not change when a command refuses."""
        return self.repository(), self.rows("SELECT * FROM updates_update")


@pytest.fixture(scope="session")
def served_fleet(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet whose control plane runs; tests work on copies of its directory."""
    directory = tmp_path_factory.mktemp("fleet")
    with serving(directory, "--registry", registry, "--insecure-registry", registry) as control_plane:
        # The next is written in an hour: copies meet it whole.
        wait_for((directory / "freshness.json").exists, "freshness.json", 180)
        yield Fleet(directory, control_plane.url, directory / "control-plane.sqlite3")


@pytest.fixture
def fleet(served_fleet: Fleet, tmp_path: Path) -> Iterator[Fleet]:
    """A fresh fleet: no updates, no gateways."""
    directory = tmp_path / "fleet"
    # The control plane works on: files of its own come and go there.
    moving = shutil.ignore_patterns(f"{served_fleet.database.name}*", ".freshness.json-*")
    shutil.copytree(served_fleet.directory, directory, ignore=moving)
    _copy_database(served_fleet.database, directory / served_fleet.database.name)
    yield Fleet(directory, served_fleet.control_plane_url, served_fleet.database)
    with sqlite3.connect(served_fleet.database, timeout=60) as connection:
        connection.execute("DELETE FROM updates_update")
        connection.execute("DELETE FROM fleet_gateway")


def _copy_database(source: Path, copy: Path) -> None:
    with (
        closing(sqlite3.connect(source, timeout=60)) as database,
        closing(sqlite3.connect(copy)) as copied,
    ):
        database.backup(copied)
    shutil.copymode(source, copy)


@dataclass(frozen=True)
class Result:
    """Outcome of a command: exit status and output."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Manager:
    """Runs `ota_manager.py` in this process, in the fleet's directory."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Result:
        self._capsys.readouterr()
        status = run(command, list(arguments))
        captured = self._capsys.readouterr()
        return Result(status, captured.out, captured.err)

    def create(self, version: str = "1.2.0", *arguments: str, images: str = IMAGES) -> Result:
        return self("create-update", "--version", version, "--images", images, *arguments)


@pytest.fixture
def ota(fleet: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Manager:
    monkeypatch.chdir(fleet.directory)
    monkeypatch.delenv("OTA_CONFIG", raising=False)
    return Manager(capsys)
