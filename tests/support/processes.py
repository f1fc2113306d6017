"""Real servers for the tests: started on a free loopback port, waited for, and ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.ports import accepts
from tests.support.waiting import wait_for

# A loaded machine takes its time; who is quick loses nothing by it.
START_SECONDS = 180
STOP_SECONDS = 30
MANAGER = [sys.executable, str(ROOT / "ota_manager.py")]
RCLONE = str(Path(sys.executable).parent / "rclone")


@contextmanager
def running(
    command: Sequence[str], port: int, log: Path, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; ready when it accepts connections on the port."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env)
    try:
        wait_until_served(process, port, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_served(process: subprocess.Popen[bytes], port: int, log: Path | None = None) -> None:
    """Wait until a process accepts connections on a port; fails the test if it ends before."""

    def served() -> bool:
        assert process.poll() is None, f"{process.args!r} ended: {said()}"
        return accepts(port)

    def said() -> str:
        return log.read_text() if log else "its output is not kept"

    wait_for(served, lambda: f"{process.args!r} to start: {said()}", START_SECONDS)
