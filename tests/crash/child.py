"""Runs a function in a forked process, which may be killed at any failpoint, and returns its answer."""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KILLED = -signal.SIGKILL
# Real time; a simulated scenario takes a tenth of a second.
LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Ended:
    """The end of a child: its exit status (negative for a signal), its answer, and an unexpected exception."""

    status: int
    answer: Any = None
    problem: str = ""


def run(function: Callable[[], Any], meanwhile: Callable[[int], None] = lambda _: None) -> Ended:
    """Run `function` in a forked process of its own; its answer must be JSON data.

    Args:
        meanwhile: called here with the child's process id.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(function, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            meanwhile(child)
            raw = _read(pipe.fileno(), child)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    _, status = os.waitpid(child, 0)
    answer = json.loads(raw) if raw else {}
    return Ended(os.waitstatus_to_exitcode(status), answer.get("answer"), answer.get("problem", ""))


def _child(function: Callable[[], Any], writing: int) -> None:
    """Run the function in the child, and never return; nothing of the parent's (pytest's, say) runs at the end."""
    status, said = 1, {}
    try:
        try:
            said = {"answer": function()}
            status = 0
        except BaseException as error:  # noqa: BLE001 - whatever it is, the parent is told
            said = {"problem": f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-6)}"}
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(said, default=str).encode())
    finally:
        os._exit(status)


def _read(descriptor: int, child: int) -> bytes:
    raw, deadline = b"", time.monotonic() + LIMIT_SECONDS
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            os.kill(child, signal.SIGKILL)
            return json.dumps({"problem": f"did not end within {LIMIT_SECONDS:.0f} s"}).encode()
        part = os.read(descriptor, 65536)
        if not part:
            return raw
        raw += part
