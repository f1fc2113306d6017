"""The self-check of a new build imports every module of every room: one that is broken makes it fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

GATEWAY = ROOT / "ota_py" / "gateway"
ROOMS = sorted(path.parent.name for path in GATEWAY.glob("*/__init__.py"))
PROGRAM = "from ota_py.gateway.self_check import import_every_module; print(*import_every_module(), sep='\\n')"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("build")
    shutil.copytree(ROOT / "ota_py", directory / "ota_py", ignore=shutil.ignore_patterns("server", "manager"))
    return directory


def check(directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def test_every_module_is_imported(copy: Path):
    done = check(copy)
    assert done.returncode == 0, done.stderr
    expected = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in GATEWAY.rglob("*.py")
    }
    assert set(done.stdout.split()) == expected - {"ota_py.gateway"}
    assert len(ROOMS) > 10


@pytest.mark.parametrize("room", ROOMS)
def test_a_broken_module_of_any_room_makes_it_fail(room: str, copy: Path):
    broken = copy / "ota_py" / "gateway" / room / "broken.py"
    broken.write_text("import nothing_of_that_name\n")
    try:
        done = check(copy)
    finally:
        broken.unlink()
    assert done.returncode != 0
    assert "No module named 'nothing_of_that_name'" in done.stderr
