"""The commands that the agent starts: each is the gateway's own program, in a process of its own."""

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
        """Its exit status, negative for a signal; None while it runs."""


class Child:
    """A command under way. It goes on when the agent ends.

    Attributes:
        name: what it does, for the log.
        assignment: what it was started for; None for recovery.
    """

    def __init__(self, name: str, running: Running, assignment: Assignment | None) -> None:
        self.name = name
        self.assignment = assignment
        self._running = running

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._running.poll()


@dataclass(frozen=True)
class Commands:
    """Starts commands of the gateway's program.

    Attributes:
        program: what runs it, for example (`venvs/NAME/bin/python`, `venvs/NAME/commands/ota_client.py`).
        config_file: the gateway's configuration, where it is not the usual one.
        directory: where this software is installed.
        upgrade_log: what the upgrade of it has to say.
    """

    program: tuple[str, ...]
    config_file: Path | None = None
    directory: Path = Path()
    upgrade_log: Path | None = None

    def recover(self) -> Child:
        """Start the end of a transaction that lost its owner; does nothing where there is none."""
        return Child("recover", process.launch(self._argv("recover")), None)

    def update(self, assignment: Assignment) -> Child:
        """Start the transaction of an assignment, or go on with it."""
        wanted = ["--version", assignment.version, "--rollout", str(assignment.rollout)]
        return Child("update", process.launch(self._argv("update", *wanted)), assignment)

    def go_on(self, assignment: Assignment | None) -> Child:
        """Go on with what is held back, whoever asked for it; `assignment` is what assigned it, if known."""
        return Child("update", process.launch(self._argv("update", "--held")), assignment)

    def give_up(self) -> Child:
        """End what is held back."""
        return Child("recover", process.launch(self._argv("recover", "--held")), None)

    def look(self) -> Child:
        """Start a look at the repository; what it finds stands in the journal."""
        return Child("check", process.launch(self._argv("check"), Path(os.devnull)), None)

    def supervise(self, name: str) -> None:
        """Start what carries out the upgrade of this software, from the build of that name."""
        python = Installation(self.directory).python(name)
        process.launch(supervisor_argv(python, self.config_file), self.upgrade_log)

    def status(self) -> dict[str, Any]:
        """What `status --json` prints.

        Raises:
            OtaError: it failed or printed something else.
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
