"""Named points around every effect, so that a test can break the process at each of them.

Nobody places them by hand: files.py, process.py, the journal's writes and the client of the Engine's
API reach them for all that they do, and a wall test keeps effects out of the other modules.

Costs two dictionary look-ups in production. With `OTA_CRASH_AT=N` the process kills itself with
SIGKILL at the N-th point that it reaches, with `OTA_CRASH_AT=NAME` at the first point of that name;
with `OTA_CRASH_TRACE=FILE` it appends each name to FILE, so that a sweep can count them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator

# Called with a point's name; it may note it, raise what the effect could have raised, or end the process.
Handler = Callable[[str], None]

_counter = itertools.count(1)
_handler: Handler | None = None


def install(handler: Handler | None) -> None:
    """Let a test decide what happens at each point; None ends that."""
    global _handler
    _handler = handler


def reach(name: str) -> None:
    """Note that the process is at the point `name`; die there when the environment asks for it."""
    if _handler is not None:
        _handler(name)
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
