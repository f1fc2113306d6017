"""The processes of one test: whatever they start is found by a mark in its environment, and ended.

A guardian ends them even if the tests are killed: it reads a pipe that closes when they are gone. It is this
very file, run as a program.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

MARK = "OTA_TEST_MARK"
# One that writes to a busy disk dies only when that is done.
_KILL_SECONDS = 60.0


class Processes:
    """All processes that carry the mark, children of children included.

    Args:
        mark: a text of this test's own, such as its directory.
    """

    def __init__(self, mark: Path | str) -> None:
        self._mark = str(mark)
        argv = [sys.executable, "-I", "-S", __file__, self._mark]
        self._guardian = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the processes are started with."""
        return {**os.environ, MARK: self._mark}

    def commands(self) -> list[str]:
        """The command lines of the processes that run."""
        return [command for _, command in _marked(self._mark)]

    def kill(self) -> None:
        """Kill all processes at once."""
        _kill(self._mark)

    def end(self) -> None:
        """Kill all processes for good, the guardian included."""
        _kill(self._mark)
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait(2 * _KILL_SECONDS)


def _marked(mark: str) -> list[tuple[int, str]]:
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append((int(entry.name), command))
    return found


def _kill(mark: str) -> None:
    """Kill processes until none is left: one that was being started meanwhile is found by the next search.

    Two searches must find none: a process has no environment for a moment while it becomes another program.
    """
    deadline, without = time.monotonic() + _KILL_SECONDS, 0
    while without < 2:
        alive = [pid for pid, command in _marked(mark) if command]
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        without = 0 if alive else without + 1
        if time.monotonic() > deadline:
            raise AssertionError(f"processes of {mark} cannot be killed: {_marked(mark)}")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.stdin.read()
    _kill(sys.argv[1])
