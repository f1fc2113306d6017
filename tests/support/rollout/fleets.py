"""A control plane that really runs, and simulated gateways that real playbooks act on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from ota_py.manager.context import CommandContext
from ota_py.manager.controlplane.client import ControlPlane
from tests.support.operators import UPDATE, serving
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.processes import MANAGER, captured
from tests.support.states import STEPS
from tests.support.waiting import wait_for

ENGINE = ROOT / "tests" / "support" / "rollout" / "small_gateway.py"
VERSION = "1.2.0"
PLAY_SECONDS = 120


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An operator's directory with a running control plane."""
    directory = tmp_path_factory.mktemp("workplace")
    with serving(directory):
        yield directory


@dataclass
class Fleet:
    """Simulated gateways below a directory, known to the inventory and to the control plane."""

    workplace: Path
    directory: Path
    prefix: str
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    version: str = VERSION

    @property
    def config(self) -> Path:
        return self.directory / "ota.toml"

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.yml"

    @property
    def control_plane(self) -> ControlPlane:
        return CommandContext(str(self.config)).control_plane

    def add(self, name: str, delivery: str = "push", *, registered: bool = True, **behaviour: Any) -> str:
        """Make a gateway; returns its id. `unreachable=True` gives it an address where nobody listens."""
        gateway = f"{self.prefix}{name}"
        home = self.directory / "gateways" / gateway
        home.mkdir(parents=True)
        shutil.copy(ENGINE, home / "ota_client.py")
        (home / "steps.json").write_text(json.dumps(STEPS))
        variables = {"ota_delivery": delivery, "ota_directory": str(home)}
        if behaviour.pop("unreachable", False):
            variables |= {"ansible_host": "127.0.0.1", "ansible_port": free_port()}
        else:
            variables |= {"ansible_connection": "local"}
        self.behave(gateway, **behaviour)
        self.hosts[gateway] = variables
        if registered:
            self.tokens[gateway] = self.control_plane.add_gateway(gateway, delivery=delivery)["token"]
        self.write_inventory()
        return gateway

    def write_inventory(self) -> None:
        self.inventory.write_text(yaml.safe_dump({"gateways": {"hosts": self.hosts}}, sort_keys=False))

    def behave(self, gateway: str, **behaviour: Any) -> None:
        """Say how a gateway's engine behaves from now on."""
        path = self.directory / "gateways" / gateway / "behaviour.json"
        path.write_text(json.dumps(behaviour))

    def engine(self, gateway: str) -> dict[str, Any]:
        """Calls of a gateway's engine; `calls` is empty if nobody asked it anything."""
        path = self.directory / "gateways" / gateway / "state.json"
        return json.loads(path.read_text()) if path.exists() else {"calls": [], "version": "1.0.0"}

    def rollout(self) -> dict[str, Any]:
        """The newest rollout of this fleet's update."""
        newest = next(one for one in self.control_plane.rollouts() if one["version"] == self.version)
        return self.control_plane.rollout(newest["id"])

    def states(self) -> dict[str, str]:
        """State in the newest rollout by gateway, without the fleet's prefix."""
        return {g["id"].removeprefix(self.prefix): g["state"] for g in self.rollout()["gateways"]}

    def wait_for(self, holds: Callable[[], object], what: str) -> None:
        """Wait for what a play that runs meanwhile brings about, at most as long as that may take."""
        wait_for(holds, what, PLAY_SECONDS, pause_seconds=0.2)

    def wait_for_rollout(self) -> None:
        self.wait_for(lambda: self.version in [r["version"] for r in self.control_plane.rollouts()], "the rollout")

    def environment(self) -> dict[str, str]:
        beside = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {
            **os.environ,
            "PATH": beside,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "OTA_CONFIG": str(self.config),
            "ANSIBLE_TIMEOUT": "3",
        }

    def play(self, *arguments: str, playbook: str = "rollout.yml") -> subprocess.CompletedProcess[str]:
        """Run a playbook of the project by hand."""
        argv = ["ansible-playbook", "-i", str(self.inventory), str(ROOT / playbook), *arguments]
        return self._run(argv)

    def roll_out(self, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run rollout.yml by hand, with extra variables."""
        given = {"version": self.version, **variables}
        return self.play(*(word for name, value in given.items() for word in ("-e", f"{name}={value}")))

    def manager(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `ota_manager.py`."""
        return self._run([*MANAGER, "--config", str(self.config), *arguments])

    def _run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        return captured(argv, cwd=self.directory, environment=self.environment(), seconds=PLAY_SECONDS)


@pytest.fixture
def fleet(workplace: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Fleet:
    """A fleet of its own for each test: own ids and an own update, at a shared control plane."""
    number = len(getattr(request.session, "fleets", []))
    request.session.fleets = [*getattr(request.session, "fleets", []), number]  # type: ignore[attr-defined]
    directory = tmp_path / "fleet"
    directory.mkdir()
    for name in ("ota.toml", "operator-token", "root.json"):
        shutil.copy2(workplace / name, directory / name)
    found = Fleet(workplace, directory, f"t{number}_", version=f"1.2.{number}")
    text = found.config.read_text()
    assert 'inventory = "inventory"' in text
    found.config.write_text(text.replace('inventory = "inventory"', 'inventory = "inventory.yml"'))
    found.control_plane.register_update({**UPDATE, "version": found.version})
    return found


def updates(fleet: Fleet, gateway: str) -> list[list[str]]:
    return [call for call in fleet.engine(gateway)["calls"] if call[0] == "update"]


def one_line(text: str) -> str:
    """Undo the wrapping of Ansible's YAML output."""
    return " ".join(text.replace("''", "'").split())


def recap(text: str) -> str:
    return text.partition("PLAY RECAP")[2]
