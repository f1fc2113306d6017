"""Programs and real servers for the tests: run to their end, or started on a port, waited for, and ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
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


def captured(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    seconds: float = 300,
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its exit status, and both its streams as text.

    Args:
        environment: variables on top of those of the tests.
        check: fail the test unless the status is 0.
    """
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0 or not check, f"{argv}: status {done.returncode}: {done.stdout}{done.stderr}"
    return done


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
