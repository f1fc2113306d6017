"""Failpoints: named points around every effect, so that a test can break the process at each of them.

No failpoint is placed by hand: files.py, process.py, the journal's writes and the client of Docker's
API reach them for all that they do, and a wall test keeps effects out of the other modules.

Costs two dictionary look-ups in production. With `OTA_CRASH_AT=N` the process kills itself with
SIGKILL at the N-th failpoint that it reaches, with `OTA_CRASH_AT=NAME` at the first one of that name;
with `OTA_CRASH_TRACE=FILE` it appends each name to FILE, so that a sweep can count them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator

# Called with a failpoint's name; it may record it, raise what the effect could have raised, or end the process.
Handler = Callable[[str], None]

_counter = itertools.count(1)
_handler: Handler | None = None


def install(handler: Handler | None) -> None:
    """Install a test's handler, called at each failpoint; None removes it."""
    global _handler
    _handler = handler


def reach(name: str) -> None:
    """Pass the failpoint `name`: call the handler, and die where the environment requests it."""
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
    """Pass the failpoint `NAME.before`, run the block, and pass `NAME.after` if the block did not raise."""
    reach(f"{name}.before")
    yield
    reach(f"{name}.after")
