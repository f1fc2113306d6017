"""The roles' Molecule scenarios: create a lab gateway, converge, converge again without a change, verify."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SECONDS = 1800


@pytest.mark.lab
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("role", ["ota_gateway", "ota_update"])
def test_scenario(role: str) -> None:
    beside = Path(sys.executable).parent
    environment = {name: value for name, value in os.environ.items() if name not in ("ANSIBLE_CONFIG", "OTA_CONFIG")}
    done = subprocess.run(
        [str(beside / "molecule"), "test"],
        cwd=ROOT / "roles" / role,
        env={**environment, "PATH": f"{beside}:{os.environ['PATH']}", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    for action in ("converge", "idempotence", "verify"):
        assert f"{action}: Executed: Successful" in done.stdout + done.stderr
