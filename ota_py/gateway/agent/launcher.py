"""The launcher of the agent's commands: each is the gateway's own program, in a process of its own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ota_py.errors import OtaError
from ota_py.gateway.controlplane.api import Assignment
from ota_py.gateway.selfupdate.installation import Installation, supervisor_argv
from ota_py.gateway.system import process

STATUS_TIMEOUT_SECONDS = 60.0


class Running(Protocol):
    """A process, as `ota_py.gateway.system.process.launch` gives it."""

    pid: int

    def poll(self) -> int | None:
        """The exit status of the process, negative for a signal; None while it runs."""


class Child:
    """A command under way. It goes on when the agent ends.

    Attributes:
        name: of the command, for the log.
        assignment: the one that it was started for; None for recovery.
    """

    def __init__(self, name: str, running: Running, assignment: Assignment | None) -> None:
        self.name = name
        self.assignment = assignment
        self._running = running

    @property
    def pid(self) -> int:
        """The process id of the command."""
        return self._running.pid

    def exit_status(self) -> int | None:
        """The exit status of the command, negative for a signal; None while it runs."""
        return self._running.poll()


@dataclass(frozen=True)
class Commands:
    """Starts commands of the gateway's program.

    Attributes:
        program: its command line, for example (`venvs/NAME/bin/python`, `venvs/NAME/commands/ota_client.py`).
        config_file: the gateway's configuration, where it is not the usual one.
        directory: where the gateway software is installed.
        upgrade_log: the log file of an upgrade of the gateway software.
    """

    program: tuple[str, ...]
    config_file: Path | None = None
    directory: Path = Path()
    upgrade_log: Path | None = None

    def recover(self) -> Child:
        """Start the recovery of a transaction that lost its owner; without one the command does nothing."""
        return Child("recover", process.launch(self._argv("recover")), None)

    def update(self, assignment: Assignment) -> Child:
        """Start the transaction of an assignment, or go on with it."""
        wanted = ["--version", assignment.version, "--rollout", str(assignment.rollout)]
        return Child("update", process.launch(self._argv("update", *wanted)), assignment)

    def resume_held(self, assignment: Assignment | None) -> Child:
        """Start the held update again; `assignment` is the one behind it, if known."""
        return Child("update", process.launch(self._argv("update", "--held")), assignment)

    def end_held(self) -> Child:
        """Start the end of the held update."""
        return Child("recover", process.launch(self._argv("recover", "--held")), None)

    def check(self) -> Child:
        """Start a check of the repository; a freshness problem is recorded in the journal."""
        return Child("check", process.launch(self._argv("check"), Path(os.devnull)), None)

    def supervise(self, name: str) -> None:
        """Start the supervisor of an upgrade, from the build of that name."""
        python = Installation(self.directory).python(name)
        process.launch(supervisor_argv(python, self.config_file), self.upgrade_log)

    def status(self) -> dict[str, Any]:
        """The status of this gateway, as `status --json` prints it.

        Raises:
            OtaError: the command failed or printed something else.
        """
        done = process.run(self._argv("status", "--json"), timeout_seconds=STATUS_TIMEOUT_SECONDS)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = None
        if done.status or not isinstance(answer, dict):
            raise OtaError(f"`status` failed: {done.problem}")
        return answer

    def _argv(self, *words: str) -> list[str]:
        named = [] if self.config_file is None else ["--config", str(self.config_file)]
        return [*self.program, *words, *named]
