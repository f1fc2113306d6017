"""Waiting for what another process or thread does. The limit is for a busy machine: it costs nothing else."""

import time
from collections.abc import Callable


def wait_for(holds: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
