"""Named points around every effect, so that a test can kill the process at each of them.

Costs one dictionary look-up in production. With `OTA_CRASH_AT=N` the process kills itself with
SIGKILL at the N-th point that it reaches, with `OTA_CRASH_AT=NAME` at the first point of that name;
with `OTA_CRASH_TRACE=FILE` it appends each name to FILE, so that a sweep can count them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Iterator

_counter = itertools.count(1)


def reach(name: str) -> None:
    """Note that the process is at the point `name`; die there when the environment asks for it."""
    wanted = os.environ.get("OTA_CRASH_AT")
    trace = os.environ.get("OTA_CRASH_TRACE")
    if not wanted and not trace:
        return
    number = next(_counter)
    if trace:
        with open(trace, "a", encoding="utf-8") as file:
            file.write(f"{name}\n")
    if wanted in (name, str(number)):
        os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def around(name: str) -> Iterator[None]:
    """Reach `NAME.before`, run the block, and reach `NAME.after` if it did not raise."""
    reach(f"{name}.before")
    yield
    reach(f"{name}.after")
