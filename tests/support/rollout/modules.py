"""Modules in plays of one task, against the control plane and simulated gateways of the rollout's tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.processes import captured
from tests.support.rollout.fleets import Fleet


class Run(Protocol):
    """Runs one module on a host and returns its result; flags are those of `ansible-playbook`."""

    def __call__(self, host: str, module: str, *flags: str, **options: Any) -> dict[str, Any]: ...


@pytest.fixture
def run(fleet: Fleet, tmp_path: Path) -> Run:
    """The result is what `register` gives to the next task, which writes it whole."""
    playbook, result = tmp_path / "play.yml", tmp_path / "result.json"

    def once(host: str, module: str, *flags: str, **options: Any) -> dict[str, Any]:
        under_test = {
            module: options,
            "register": "result",
            "ignore_errors": True,
            "ignore_unreachable": True,
        }
        write = {
            "ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": str(result)},
            "delegate_to": "localhost",
            "check_mode": False,
        }
        # JSON is YAML.
        playbook.write_text(json.dumps([{"hosts": host, "gather_facts": False, "tasks": [under_test, write]}]))
        result.unlink(missing_ok=True)
        done = captured(
            ["ansible-playbook", "-i", str(fleet.inventory), str(playbook), *flags],
            cwd=fleet.directory,
            environment=fleet.environment(),
            seconds=60,
        )
        assert result.exists(), done.stdout + done.stderr
        said: dict[str, Any] = json.loads(result.read_text())
        return said

    fleet.write_inventory()
    return once
