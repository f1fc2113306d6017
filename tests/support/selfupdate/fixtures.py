"""Builds of the gateway software, each made once for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ota_py.gateway.selfupdate.installation import Installation
from tests.support.selfupdate import wheelhouses
from tests.support.selfupdate.box import OLD, Box

# What is wrong with a new version: lines added to agent/loop.py.
EXITS = "\n\ndef _no(self): raise RuntimeError('on purpose')\n\n\nAgent.run = _no\n"
HANGS = "\n\nimport time\nAgent.turn = lambda self: time.sleep(3600)\n"


@pytest.fixture(scope="session")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Path]]:
    """Makes a build: its archive, and its virtual environment."""
    directory = tmp_path_factory.mktemp("builds")
    installation = Installation(directory)
    made: dict[str, tuple[Path, Path]] = {}

    def make(version: str, patch: str = "") -> tuple[Path, Path]:
        if version in made:
            return made[version]
        archive, venv = wheelhouses.make(directory, version, patch), installation.venv(f"{version}-test")
        if venv.name == OLD:
            installation.build(OLD, archive, directory / "unpacked")
        else:
            _, plain = make(OLD.removesuffix("-test"))
            wheelhouses.derive(plain, venv, version, patch)
        made[version] = (archive, venv)
        return made[version]

    return make


@pytest.fixture
def make_box(tmp_path: Path, factory: Callable[..., tuple[Path, Path]]) -> Iterator[Callable[..., Box]]:
    """Makes a gateway that runs the old build."""
    boxes: list[Box] = []

    def make(**options: float) -> Box:
        boxes.append(Box(tmp_path / "box", factory(OLD.removesuffix("-test"))[1], **options))
        return boxes[-1]

    yield make
    for box in boxes:
        box.close()
    shutil.rmtree(tmp_path, ignore_errors=True)
