"""Processes that the manager starts: a command that it waits for, and one beside `serve`."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1  # prctl(2)


def run_command(
    argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without input; its output is captured.

    Args:
        env: of the command, beside this process's own.
    """
    return subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def start_beside(target: Callable[..., None], *arguments: Any) -> None:
    """Start a function in a process of its own, begun anew and not forked; it ends when this process exits.

    For when this process is killed, the function begins with `end_with_parent`.
    """
    multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True).start()


def end_with_parent() -> None:
    """Let this process end when its parent does, however that ends; on Linux only."""
    parent = multiprocessing.parent_process()
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it ended before that
        os.kill(os.getpid(), signal.SIGKILL)


def wait_beside(seconds: float) -> bool:
    """Wait in a process that `start_beside` made; returns False, at once, when its parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return False
    parent.join(seconds)
    return parent.is_alive()
