"""The wheelhouse: its name, and refusals of bad requests; Molecule installs a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ota_py.manager.release import wheelhouse
from tests.support.paths import ROOT
from tests.support.processes import captured


def build(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return captured(
        [sys.executable, "-m", "ota_py.manager.release.wheelhouse", "--out", str(out), *arguments],
        cwd=ROOT,
        environment=environment,
        seconds=600,
    )


def test_the_name_changes_with_python_architecture_and_sources(tmp_path: Path) -> None:
    names = {
        wheelhouse._fingerprint(ROOT, *given) for given in (("3.13", "x86_64"), ("3.12", "x86_64"), ("3.13", "aarch64"))
    }
    assert len(names) == 3


def test_a_gateway_gets_nothing_of_the_operators_and_the_servers_parts() -> None:
    top = ROOT / "ota_py"
    inside = [path.relative_to(top) for path in wheelhouse._sources(ROOT) if path.is_relative_to(top)]
    packages = {path.parts[0] for path in inside if path.suffix == ".py" and len(path.parts) > 1}
    assert packages == {"contract", "gateway", "text", "trust"}


def test_what_is_there_is_used_again(tmp_path: Path) -> None:
    version = f"{wheelhouse.__version__}-{wheelhouse._fingerprint(ROOT, '3.13', 'x86_64')}"
    archive = tmp_path / version / wheelhouse.ARCHIVE
    archive.parent.mkdir()
    archive.touch()
    assert wheelhouse.build(tmp_path, "3.13", "x86_64") == (archive, version, False)


def test_an_index_that_is_away_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    away = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    done = build(tmp_path, **away)
    assert done.returncode == 10
    assert done.stderr.startswith("error: pip ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("python", ["3", "2.7", "3.13; rm", "latest"])
def test_other_pythons_are_refused(tmp_path: Path, python: str) -> None:
    done = build(tmp_path, "--python", python)
    assert "is not a Python version" in done.stderr
    assert done.returncode == 2
