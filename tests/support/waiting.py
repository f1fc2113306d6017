"""Waiting for what another process or thread does. The limit is for a busy machine: it costs nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(
    holds: Callable[[], Found], what: str | Callable[[], str], seconds: float = 60, pause_seconds: float = 0.02
) -> Found:
    """Check again and again until a condition holds; returns what it then gave.

    Args:
        holds: the condition; it may also fail the test, where it can never hold any more.
        what: is waited for, or a function that gives it when time is up.
        seconds: how long at most.
        pause_seconds: between two checks; longer where a check is costly.
    """
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(pause_seconds)
    return found
