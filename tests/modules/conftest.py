"""Modules run by `ansible`, against the control plane and the simulated gateways of the rollout's tests."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.rollout.conftest import Fleet, fleet, workplace

__all__ = ["fleet", "workplace"]


class Run(Protocol):
    """Runs one module on a host and returns its result; flags are those of `ansible`."""

    def __call__(self, host: str, module: str, *flags: str, **options: Any) -> dict[str, Any]: ...


@pytest.fixture
def run(fleet: Fleet, tmp_path: Path) -> Run:
    """Results come from files that the callback `tree` writes, so they are whole and exact."""
    results = tmp_path / "results"

    def once(host: str, module: str, *flags: str, **options: Any) -> dict[str, Any]:
        inventory = fleet.inventory if fleet.hosts else "localhost,"
        argv = ["ansible", host, "-i", str(inventory), "-m", module, "-a", json.dumps(options)]
        done = subprocess.run(
            [*argv, "--tree", str(results), *flags],
            cwd=fleet.directory,
            env=fleet.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (results / host).exists(), done.stdout + done.stderr
        result: dict[str, Any] = json.loads((results / host).read_text())
        return result

    return once
