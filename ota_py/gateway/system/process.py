"""The gateway's only spawner of processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from ota_py.errors import DeadlineError, NotFoundError
from ota_py.gateway.system import failpoints

_PR_SET_PDEATHSIG = 1
_KILL_WAIT_SECONDS = 5
_CHUNK_BYTES = 65536
# How much is kept of the output of a program that `follow` runs.
KEPT_BYTES = 2000


@dataclass(frozen=True)
class Completed:
    """A process that ended: its exit status and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def problem(self) -> str:
        """The end of the standard error, on one line; the exit status where that is empty."""
        lines = [line.strip() for line in self.stderr.decode(errors="replace").splitlines() if line.strip()]
        return "; ".join(lines[-5:])[-1000:] or f"exit status {self.status}"

    def replaced(self, change: Callable[[str], str]) -> Completed:
        """This process with its standard error passed through `change`."""
        return replace(self, stderr=change(self.stderr.decode(errors="replace")).encode())


def run(
    argv: Sequence[str],
    *,
    timeout_seconds: float,
    stdin: IO[bytes] | bytes | None = None,
    stdout: IO[bytes] | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end. It dies with this process, and with all that it started when time is up.

    Args:
        argv: program and arguments; never a shell line.
        stdin: bytes or an open file to read from; nothing when None.
        stdout: an open file to write to; None collects the output.
        environment: all of its variables; None: those of this process.

    Raises:
        NotFoundError: the program does not exist.
        DeadlineError: it ran longer than `timeout_seconds`.
    """
    name = f"process.{os.path.basename(argv[0])}"
    with failpoints.around(name), _spawned(argv, stdin, stdout, cwd, environment) as process:
        try:
            given = stdin if isinstance(stdin, bytes) else None
            output, errors = process.communicate(given, timeout=max(timeout_seconds, 0.01))
        except subprocess.TimeoutExpired:
            _end(process)
            raise DeadlineError(f"`{' '.join(argv[:4])}` did not end within {timeout_seconds:.0f} s") from None
        except BaseException:
            _end(process)
            raise
    return Completed(process.returncode, output or b"", errors or b"")


@dataclass(frozen=True)
class Followed:
    """A process that ended: its exit status, None where it was killed as time was up, and its last output."""

    status: int | None
    output: bytes

    @property
    def lines(self) -> list[str]:
        """The lines of the output that are not blank."""
        lines = self.output.decode(errors="replace").splitlines()
        return [line.rstrip() for line in lines if line.strip()]

    def replaced(self, change: Callable[[str], str]) -> Followed:
        """This process with its output passed through `change`."""
        return replace(self, output=change(self.output.decode(errors="replace")).encode())


def follow(
    argv: Sequence[str],
    *,
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Followed:
    """Run a program that may print without end or leave others running: only the end of its output is kept.

    When time is up it is killed with all that it started. What it started and left running when it ended
    by itself is left alone.

    Raises:
        NotFoundError: the program does not exist.
        OSError: it cannot be run.
    """
    deadline = time.monotonic() + timeout_seconds
    name = f"process.{os.path.basename(argv[0])}"
    with failpoints.around(name), _spawned(argv, None, None, cwd, environment, merged=True) as process:
        assert process.stdout is not None
        kept = b""
        os.set_blocking(process.stdout.fileno(), False)
        try:
            while True:
                ended = process.poll() is not None
                left = deadline - time.monotonic()
                ready, _, _ = select.select([process.stdout], [], [], 0 if ended else min(max(left, 0), 0.1))
                chunk = os.read(process.stdout.fileno(), _CHUNK_BYTES) if ready else b""
                kept = (kept + chunk)[-KEPT_BYTES:]
                if ended and not chunk:
                    return Followed(process.returncode, kept)
                if ready and not chunk:
                    # It closed its output; only its end is waited for.
                    return Followed(_end_by(process, deadline), kept)
                if left <= 0 and not ended:
                    _end(process)
                    return Followed(None, kept)
        except BaseException:
            _end(process)
            raise


def launch(argv: Sequence[str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a program that outlives this process, in a session of its own: no Ctrl-C meant for us reaches it.

    All that it prints goes to the file `log`, begun anew, else to our standard error: a program that outlives
    a command must not keep the connection of that command's caller open.

    Raises:
        NotFoundError: the program does not exist.
    """
    try:
        with open(log, "wb") if log else contextlib.nullcontext(2) as output:
            return subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
    except FileNotFoundError:
        raise NotFoundError(f"the program {argv[0]} is not installed") from None


def _end_by(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return process.wait(max(deadline - time.monotonic(), 0.01))
    except subprocess.TimeoutExpired:
        _end(process)
        return None


def _spawned(
    argv: Sequence[str],
    stdin: IO[bytes] | bytes | None,
    stdout: IO[bytes] | None,
    cwd: Path | None,
    environment: Mapping[str, str] | None = None,
    *,
    merged: bool = False,
) -> subprocess.Popen[bytes]:
    source: IO[bytes] | int = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    try:
        return subprocess.Popen(
            list(argv),
            stdin=source if isinstance(stdin, bytes) or stdin is None else stdin,
            stdout=stdout if stdout is not None else subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            cwd=cwd,
            env=environment,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
    except FileNotFoundError:
        raise NotFoundError(f"the program {argv[0]} is not installed") from None


def _die_with_parent() -> Callable[[], None]:
    """The function that a child runs first, so that a killed engine leaves no child at work beside recovery."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before this child could request the signal
            os.kill(os.getpid(), signal.SIGKILL)

    return prepare


def kill_group(leader: int, command: Sequence[str]) -> None:
    """Kill a process that is not our child, with its group, if it still runs `command`."""
    with contextlib.suppress(OSError):
        if Path(f"/proc/{leader}/cmdline").read_bytes().split(b"\0")[:-1] == [w.encode() for w in command]:
            os.killpg(os.getpgid(leader), signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_KILL_WAIT_SECONDS)
