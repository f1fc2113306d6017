"""What one input may cost: processor time and memory. A machine under load does not count as a hang."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INPUT_SECONDS = 10.0
MEMORY_BYTES = 512 * 1024**2


class Hang(BaseException):
    """An input took longer than it may. Not an Exception, so that nothing under test takes it for its own."""


@contextlib.contextmanager
def bounded(seconds: float = INPUT_SECONDS, memory: int = MEMORY_BYTES) -> Iterator[None]:
    """Raise `Hang` after so much processor time, MemoryError beyond so many bytes more than now."""

    def over(*_: Any) -> None:
        raise Hang(f"more than {seconds:g} s of processor time")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = signal.signal(signal.SIGPROF, over)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, hard))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)
