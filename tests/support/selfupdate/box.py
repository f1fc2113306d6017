"""A gateway's installation in a directory: real environments, launchers, agent and supervisor; no Docker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment

from ota_py.contract.transactions import State
from ota_py.gateway.config import model
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from ota_py.gateway.journal.states import STEPS
from ota_py.gateway.journal.upgrades import Upgrade, Upgrades
from ota_py.gateway.selfupdate import upgrade
from ota_py.gateway.selfupdate.installation import Installation, supervisor_argv
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.system.progress import Silence
from ota_py.manager.release.gateway_software import collect
from ota_py.manifest import Manifest
from tests.support.paths import ROOT
from tests.support.processes import captured
from tests.support.selfupdate.processes import Processes
from tests.support.waiting import wait_for

OLD = "0.1.0-test"
LAUNCHER = ROOT / "roles" / "ota_gateway" / "templates" / "launcher.sh.j2"

# A plain stand-in for a service manager: starts the agent again whenever it ends.
MANAGER = """#!/bin/sh
while [ -e {directory}/up ]; do
    {directory}/ota/ota-agent >>{directory}/agent.log 2>&1 &
    echo $! >{directory}/pid.new && mv {directory}/pid.new {directory}/pid
    wait $!
    sleep 0.2
done
"""
RESTART = """#!/bin/sh
[ -e {directory}/up ] || exit 0
pid=$(cat {directory}/pid)
kill -TERM "$pid"
for i in $(seq 1 100); do [ "$(cat {directory}/pid)" = "$pid" ] || exit 0; sleep 0.05; done
kill -KILL "$pid"
"""


class Box:
    """A gateway's installation in a directory.

    Args:
        old: a directory `venvs/NAME` that is copied as the build in use.
    """

    def __init__(self, directory: Path, old: Path, trial_seconds: float = 60) -> None:
        self.directory = directory
        self.ota = directory / "ota"
        self.installation = Installation(self.ota)
        self.processes = Processes(directory)
        self._manager: subprocess.Popen[bytes] | None = None
        self.add(old)
        (self.ota / "venv").symlink_to(f"venvs/{OLD}")
        for name, text in launchers(self.ota, directory).items():
            self._script(self.ota / name, text)
        self._script(directory / "manager", MANAGER.format(directory=directory))
        self._script(directory / "restart", RESTART.format(directory=directory))
        self.config_file.write_text(
            f'gateway_id = "box_1"\nfleet = "tests"\nproject_dir = "{directory}"\n'
            f'state_dir = "{directory}/state"\nrepository_url = "file:///nowhere"\n'
            f'initial_version = "1.0.0"\n[agent]\ndirectory = "{self.ota}"\n'
            f'restart_command = ["{directory}/restart"]\n'
            f"trial_seconds = {trial_seconds}\n"
        )

    def _script(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    @property
    def config_file(self) -> Path:
        return self.directory / "gateway.toml"

    @property
    def config(self) -> GatewayConfig:
        return model.load(self.config_file)

    def journal(self) -> Journal:
        return Journal(self.config)

    def add(self, venv: Path) -> None:
        """Copy a build that was made before; nothing in it knows where it is."""
        shutil.copytree(venv, self.ota / "venvs" / venv.name, symlinks=True)

    # -- an update ------------------------------------------------------------------------------------

    def offer(self, archive: Path, *, commit: bool = True, force: bool = False, version: str = "1.1.0") -> None:
        """Prepare an upgrade as an update does, and end its transaction."""
        software = collect(version, [str(archive)], lambda line: None)
        assert software is not None
        manifest = Manifest(fleet="tests", version=version, created=datetime.now(UTC).isoformat(), agent=software.agent)
        with self.journal() as journal:
            transaction = journal.begin("update", version, None, {}, Clock.started(600))
            chosen = upgrade.choose(manifest, self.config, journal, Silence(), force=force)
            assert chosen is not None

            def stream(target: str, sha256: str, start: int) -> Iterator[bytes]:
                yield archive.read_bytes()[start:]

            upgrade.fetch(chosen, manifest, self.config, journal, transaction.id, stream)
            for state in STEPS if commit else (State.FAILED,):
                transaction = journal.advance(transaction, state)

    def supervise(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Carry out the upgrade in the foreground, as the old build's supervisor does."""
        return captured(
            supervisor_argv(self.installation.python(OLD), self.config_file),
            environment={**self.processes.environment, **environment},
        )

    # -- what runs ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the service manager, and so the agent."""
        (self.directory / "up").touch()
        self._manager = subprocess.Popen([self.directory / "manager"], env=self.processes.environment)

    def recover(self) -> str:
        """Run recovery as at boot; the build that did it."""
        done = captured(
            ["sh", "-x", self.ota / "ota-recover"],
            environment={**self.processes.environment, "DOCKER_HOST": "unix:///nowhere"},
            check=True,
        )
        line = next(line for line in done.stderr.splitlines() if line.startswith("+ exec"))
        return Path(line.split("/bin/python")[0]).name

    def power_cut(self) -> None:
        """Kill everything of this gateway at once."""
        (self.directory / "up").unlink(missing_ok=True)
        self.processes.kill()
        if self._manager is not None:
            self._manager.wait(60)

    def close(self) -> None:
        """End all processes of the gateway."""
        self.power_cut()
        self.processes.end()

    def agents(self) -> set[str]:
        """The builds whose agent runs."""
        return {
            name
            for command in self.processes.commands()
            for name in os.listdir(self.ota / "venvs")
            if f"{self.ota}/venvs/{name}/commands/ota_client.py run" in command
        }

    def wait_for_agent(self, build: str) -> None:
        """Wait until the agent of this build runs, and no other: a launcher was started, and may be slow."""
        wait_for(lambda: self.agents() == {build}, lambda: f"only {build}: {self.agents()} run\n{self.logs()}")

    def upgrade(self) -> Upgrade | None:
        with self.journal() as journal:
            return Upgrades(journal).last()

    def alarms(self) -> list[str]:
        with self.journal() as journal:
            return [r["reason"] for r in Outbox(journal).pending() if r["kind"] == "alarm"]

    def wait_for(self, state: str, seconds: float = 300) -> Upgrade:
        """Wait until the upgrade came to a state."""

        def reached() -> Upgrade | None:
            found = self.upgrade()
            return found if found is not None and found.state == state else None

        found = wait_for(reached, lambda: f"{state}: {self.upgrade()}\n{self.logs()}", seconds, pause_seconds=0.1)
        assert found is not None
        return found

    def logs(self) -> str:
        named = [self.directory / "agent.log", self.directory / "state" / "upgrade.log"]
        return "\n".join(path.read_text() for path in named if path.exists())

    def status(self) -> dict:
        """The answer of `status --json`, run as by the person on site."""
        client = self.ota / "venv" / "commands" / "ota_client.py"
        done = captured(
            ["python3", client, "status", "--json", "--config", str(self.config_file)],
            environment={**self.processes.environment, "DOCKER_HOST": "unix:///nowhere"},
            check=True,
        )
        return json.loads(done.stdout)


def launchers(ota: Path, config_dir: Path) -> dict[str, str]:
    """The launchers as provisioning writes them."""
    template = Environment(keep_trailing_newline=True).from_string(LAUNCHER.read_text())
    given = {"ota_gateway_directory": ota, "ota_gateway_config_dir": config_dir}
    commands = {"ota-agent": "run", "ota-recover": "recover"}
    return {name: template.render(**given, item={"command": command}) for name, command in commands.items()}
