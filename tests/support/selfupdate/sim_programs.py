"""The programs that an upgrade runs, simulated: `python -m venv`, pip, and the check of a build of itself."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ota_py.errors import DeadlineError
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.system import failpoints
from ota_py.gateway.system.process import Completed

if TYPE_CHECKING:
    from tests.support.selfupdate.sim import SimBox

# What a build is like: all of its module's text.
GOOD, SLOW, EXITS, HANGS, UNFIT = "good", "slow", "exits", "hangs", "unfit"
MODULE = "lib/ota_py.py"
# Says which build it is of; a launcher starts it in place of the agent.
INTERPRETER = '#!/bin/sh\necho "$0"\n'
# How long they take; a slow build's agent comes up as slowly.
CHECK_SECONDS = 2.0
SLOW_SECONDS = 100.0


class Programs:
    """The programs that `ota_py.gateway.system.process.run` runs on a simulated gateway.

    Attributes:
        armed: what the next one will do, see tests/crash/faults.py.
    """

    def __init__(self, box: SimBox) -> None:
        self._box = box
        self.armed = ""

    def run(self, argv: Sequence[str], *, timeout_seconds: float, **_: Any) -> Completed:
        program = {"venv": self._venv, "ota_py.gateway.self_check": self._check}
        act = next((program[word] for word in argv if word in program), self.pip)
        with failpoints.around("process.python"):
            armed, self.armed = self.armed, ""
            if armed == "hang":
                self._box.clock.sleep(timeout_seconds)
                raise DeadlineError(f"`{argv[0]}` did not end within {timeout_seconds:.0f} s")
            if armed:
                said = {"no-space": "[Errno 28] No space left on device"}.get(armed, "on purpose")
                return Completed(1, b"", said.encode())
            return act(argv)

    def _venv(self, argv: Sequence[str]) -> Completed:
        shutil.rmtree(argv[-1], ignore_errors=True)
        put(Path(argv[-1]) / "bin" / "python", INTERPRETER)
        return Completed(0, b"", b"")

    def pip(self, argv: Sequence[str]) -> Completed:
        wheels = Path(argv[argv.index("--find-links") + 1])
        failpoints.reach("process.python.half-way")
        own = next(wheels.glob("ota_py-*"))
        put(Path(argv[0]).parent.parent / MODULE, own.read_text())
        return Completed(0, b"", b"")

    def _check(self, argv: Sequence[str]) -> Completed:
        self._box.clock.sleep(SLOW_SECONDS if self._box.kind == SLOW else CHECK_SECONDS)
        name = Path(argv[0]).parent.parent.name
        with Journal(self._box.config.model_copy(update={"state_dir": Path(argv[-1])})):
            fit = not self._box.damage(name) and self._box.files(name)[MODULE] != UNFIT
        return Completed(0 if fit else 1, b"", b"not fit")


def put(path: Path, text: str) -> None:
    """Write a file that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
