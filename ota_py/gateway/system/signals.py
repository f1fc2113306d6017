"""Signals: INT and TERM end an update safely; during a rollback they are ignored."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_END_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def listen() -> None:
    """Handle TERM as Ctrl-C is handled, and ignore a lost terminal or connection."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Ignore INT and TERM during the block: ending in the middle of it would be worse."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in _END_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
