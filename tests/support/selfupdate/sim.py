"""A gateway whose software is upgraded, in simulated time: real journal, supervisor and launcher.

What is simulated: `python -m venv`, pip, the check of a build, the agent (its real `UpgradeWatch` apart) and
the service manager. A build is good, or has a fault, by what is written in one of its files.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ota_py.contract.transactions import State
from ota_py.errors import OtaError
from ota_py.gateway.agent import selfupdate_watch
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.journal import migrations
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from ota_py.gateway.journal.states import STEPS, TABLE
from ota_py.gateway.journal.upgrades import Upgrade, Upgrades
from ota_py.gateway.selfupdate import upgrade
from ota_py.gateway.selfupdate.installation import Installation
from ota_py.gateway.selfupdate.supervisor import Supervisor
from ota_py.gateway.system import failpoints, lock, process
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.system.progress import Silence
from ota_py.manager.release import wheelhouse
from ota_py.manager.release.gateway_software import collect
from ota_py.manifest import Manifest
from tests.crash.sim.clock import SimClock
from tests.support.selfupdate.box import launchers
from tests.support.selfupdate.sim_programs import (
    EXITS,
    GOOD,
    HANGS,
    INTERPRETER,
    MODULE,
    SLOW,
    SLOW_SECONDS,
    Programs,
    put,
)
from tests.support.selfupdate.wheelhouses import ARCHITECTURE, PYTHON

OLDEST, OLD, NEW = "0.0.1-sim", "0.1.0-sim", "0.2.0-sim"
TRIAL_SECONDS = 60.0
# The service manager starts an agent again after so long.
RESTART_SECONDS = 10.0

WAY_BACK = (State.ROLLING_BACK, State.ROLLED_BACK)
COMMANDS = {name: f"# {name}\n" for name in wheelhouse.COMMANDS}
# What a version to come adds to the journal.
STEP_TO_COME = ("ALTER TABLE upgrades ADD COLUMN to_come TEXT",)


class SimBox:
    """A simulated gateway whose software is upgraded.

    Args:
        directory: all that a power cut concerns is below `gateway` of it.
        kind: what the new build is like.
    """

    def __init__(self, directory: Path, clock: SimClock, kind: str = GOOD) -> None:
        self.directory = directory / "gateway"
        self.ota = self.directory / "ota"
        self.clock = clock
        self.kind = kind
        self.installation = Installation(self.ota)
        self.programs = Programs(self)
        self._archive = directory / "new.tar"
        self._running = directory / "running"
        self._programs = directory / "programs"
        self._turning = OLD
        self._is_ticking = False
        self._begun_at = 0.0
        self._wanted = ""  # the build that an agent wants to carry out the upgrade
        agent = {
            "directory": self.ota,
            "restart_command": ["restart-agent"],
            "trial_seconds": TRIAL_SECONDS,
        }
        self.config = GatewayConfig.model_validate(
            {
                "gateway_id": "box_1",
                "fleet": "tests",
                "state_dir": self.directory / "state",
                "repository_url": "file:///nowhere",
                "initial_version": "1.0.0",
                "agent": agent,
            }
        )

    # -- how it begins --------------------------------------------------------------------------------

    def build(self) -> None:
        """Lay the gateway out: two builds, the newer one in use, its agent up, and a journal of the first level."""
        for name in (OLDEST, OLD):
            for path, text in self.files(name).items():
                put(self.installation.venv(name) / path, text)
        (self.ota / "venv").symlink_to(f"venvs/{OLD}")
        for name, text in launchers(self.ota, self.directory).items():
            put(self.ota / name, text)
        # The launcher's killer of an agent that hangs waits in real time; it ends at once, and we kill.
        put(self._programs / "sleep", "#!/bin/sh\nkill -KILL $PPID\n")
        wheels = self.directory.parent / "wheels"
        put(wheels / "pip-1-py3-none-any.whl", "pip")
        put(wheels / "ota_py-1-py3-none-any.whl", self.kind)
        for name, text in COMMANDS.items():
            put(wheels.parent / "commands" / name, text)
        about = {"name": NEW, "version": "0.2.0", "python": PYTHON, "architecture": ARCHITECTURE}
        wheelhouse.pack(wheels, wheels.parent / "commands", about, self._archive)
        self.config.state_dir.mkdir()
        with patch.multiple(migrations, STEPS=(), LEVEL=1), self.journal():
            pass
        self._running.write_text(OLD)

    def files(self, name: str) -> dict[str, str]:
        """The files of a whole build."""
        commands = {f"commands/{command}": text for command, text in COMMANDS.items()}
        kind = self.kind if name == NEW else GOOD
        return {"bin/python": INTERPRETER, MODULE: kind, **commands, ".complete": f"{name}\n"}

    # -- what it does ---------------------------------------------------------------------------------

    def install(self) -> None:
        """Let this process, and it alone, live in the simulation until it ends."""
        self.clock.install()
        time.sleep = self.sleep
        process.run = self.programs.run  # type: ignore[assignment]
        process.launch = self._launch  # type: ignore[assignment]
        selfupdate_watch.own_build = lambda: self._turning

    def journal(self) -> Journal:
        return Journal(self.config)

    def offer(self) -> None:
        """Take an update with the new build: fetched, its transaction committed, then carried out."""
        software = collect("1.1.0", [str(self._archive)], lambda line: None)
        assert software is not None
        manifest = Manifest(fleet="tests", version="1.1.0", created="2026-01-01T00:00:00Z", agent=software.agent)
        with self.journal() as journal:
            transaction = journal.begin("update", "1.1.0", None, {}, Clock.started(600))
            try:
                chosen = upgrade.choose(manifest, self.config, journal, Silence(), force=True)
                if chosen:
                    stream = self._stream
                    upgrade.fetch(chosen, manifest, self.config, journal, transaction.id, stream)
            except OtaError:
                journal.advance(transaction, State.FAILED)
                raise
            with unnoticed():  # that is swept elsewhere
                for state in STEPS:
                    transaction = journal.advance(transaction, state)
            upgrade.start_supervisor(None, journal, self.config)

    def _stream(self, target: str, sha256: str, start: int) -> Iterator[bytes]:
        data = self._archive.read_bytes()[start:]
        yield data[:4096]
        yield data[4096:]

    def recover(self) -> None:
        """Recover as at boot before the agent: an open transaction ends, an open upgrade goes on."""
        assert self._launcher("ota-recover") in (OLD, NEW), "nothing recovers"
        with self.journal() as journal:
            transaction = journal.open_transaction()
            if transaction is not None:
                ends = (State.FAILED,) if State.FAILED in TABLE[transaction.state].successors else WAY_BACK
                for state in ends:
                    transaction = journal.advance(transaction, state)
            upgrade.start_supervisor(None, journal, self.config)

    def reboot(self) -> None:
        self.clock.reboot()
        self._running.write_text("")
        self.recover()

    def settle(self) -> str:
        """Let agent and service manager work; returns what does not come to rest, or an empty string."""
        for _ in range(60):
            self._tick()
            wanted, self._wanted = self._wanted, ""
            if wanted:
                self._supervise(wanted)
            last = self.last()
            at_rest = last is None or last.state in ("PROVED", "RETURNED", "FAILED", "CANCELLED")
            if at_rest and self.running == self.installation.current and self._behaves() == GOOD:
                return ""
            self.clock.sleep(RESTART_SECONDS)
        return f"not at rest: {self.last()}, the agent is {self.running or 'away'}, {self._behaves()}"

    def last(self) -> Upgrade | None:
        with self.journal() as journal:
            return Upgrades(journal).last()

    def alarms(self) -> list[str]:
        with self.journal() as journal:
            return [r["reason"] for r in Outbox(journal).pending() if r["kind"] == "alarm"]

    @property
    def running(self) -> str:
        """The build whose agent runs."""
        return self._running.read_text()

    # -- agent and service manager --------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """Let time pass for all of the gateway."""
        self.clock.sleep(seconds)
        self._tick()

    def _tick(self) -> None:
        if self._is_ticking:
            return
        self._is_ticking = True
        try:
            self._agent()
        finally:
            self._is_ticking = False

    def _agent(self) -> None:
        behaves, name = self._behaves(), self.running
        if behaves == SLOW and self.clock.monotonic() < self._begun_at + SLOW_SECONDS:
            return
        if behaves in (GOOD, SLOW):
            with contextlib.suppress(OtaError):  # the turn failed; the agent is there for the next
                self._turn(name)
        elif behaves == HANGS and self.clock.monotonic() < self._begun_at + 2 * self.installation.trial_seconds:
            return
        elif behaves != HANGS or self.installation.trial_seconds:
            self._start()

    def _behaves(self) -> str:
        """The behaviour of the running build; one with a damaged file does not come up."""
        path = self.installation.venv(self.running) / MODULE
        return path.read_text() if self.running and path.is_file() else EXITS

    def _turn(self, name: str) -> None:
        self._turning = name
        if name == NEW:
            more = (*migrations.STEPS, STEP_TO_COME)
            with patch.multiple(migrations, STEPS=more, LEVEL=1 + len(more)), self.journal():
                pass
        with self.journal() as journal:
            selfupdate_watch.UpgradeWatch(journal, self.config.upgrade_lock_path, self._want).step()

    def _want(self, build: str) -> None:
        self._wanted = build

    def _start(self) -> None:
        self._begun_at = self.clock.monotonic()
        self._running.write_text(self._launcher("ota-agent"))

    def _launcher(self, name: str) -> str:
        """Run a launcher, the real one; returns the build that it started."""
        path = f"{self._programs}:{os.environ['PATH']}"
        argv = [self.ota / name]
        done = subprocess.run(argv, env={"PATH": path}, capture_output=True, text=True, check=False)
        return Path(done.stdout).parent.parent.name if done.stdout else ""

    # -- programs -------------------------------------------------------------------------------------

    def _supervise(self, build: str) -> None:
        assert not self.damage(build), f"{build} is to carry out the upgrade, and is damaged"
        held = lock.exclusive(self.config.upgrade_lock_path)
        # Its exit status is of no interest: the agent starts it again.
        with contextlib.suppress(OtaError), held, self.journal() as journal:
            Supervisor(self.config, journal, None).run()

    def _launch(self, argv: Sequence[str], log: Path | None = None) -> Any:
        if argv[0] == "restart-agent":
            self._start()
        else:
            self._supervise(Path(argv[0]).parent.parent.name)
        return SimpleNamespace(poll=lambda: 0)

    def damage(self, name: str) -> str:
        """The first damaged file of a build, or an empty string."""
        for path, text in self.files(name).items():
            here = self.installation.venv(name) / path
            if not here.is_file() or here.read_text() != text:
                return path
        return ""


@contextlib.contextmanager
def unnoticed() -> Iterator[None]:
    """Hide the failpoints of the block from the sweep."""
    handler: Callable[[str], None] | None = failpoints._handler
    failpoints.install(None)
    yield
    failpoints.install(handler)
