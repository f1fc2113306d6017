"""Host processes with a pid file: started detached, stopped only if still the same one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.state import private_dir, write_file

STOP_SECONDS = 15.0


def start_process(
    directory: Path,
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Start ``argv`` in the background unless it runs already; return its pid.

    Output goes to ``<directory>/<name>.log``, identity to ``<directory>/<name>.pid``.
    """
    running = process_id(directory, name)
    if running is not None:
        return running
    private_dir(directory)
    with (directory / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, **(env or {})),
            cwd=cwd,
            start_new_session=True,
        )
    record = {"pid": process.pid, "started": _start_time(process.pid), "argv": list(argv)}
    write_file(directory / f"{name}.pid", json.dumps(record) + "\n")
    return process.pid


def process_id(directory: Path, name: str) -> int | None:
    """Return the pid of a process started here, if that very process still runs."""
    try:
        record = json.loads((directory / f"{name}.pid").read_text())
        pid, started = int(record["pid"]), record["started"]
    except (OSError, ValueError, KeyError):
        return None
    # A pid is reused after a while; the start time tells the two apart.
    return pid if started is not None and _start_time(pid) == started else None


def stop_process(directory: Path, name: str, *, seconds: float = STOP_SECONDS) -> bool:
    """Stop a process by TERM, then by KILL; return whether one was running."""
    pid = process_id(directory, name)
    if pid is not None:
        _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while process_id(directory, name) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process_id(directory, name) is not None:
            _signal(pid, signal.SIGKILL)
            # Until it is gone it keeps its port, which the next one wants.
            deadline = time.monotonic() + STOP_SECONDS
            while process_id(directory, name) is not None and time.monotonic() < deadline:
                time.sleep(0.05)
    (directory / f"{name}.pid").unlink(missing_ok=True)
    return pid is not None


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _start_time(pid: int) -> str | None:
    """Return the kernel's start time of a live process; None for a dead one or a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
