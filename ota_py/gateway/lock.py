"""One transaction at a time: a lock on a file that the kernel drops when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ota_py.errors import BusyError


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the gateway's lock.

    Raises:
        BusyError: another process holds it; the message names its process id.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise BusyError(
                f"another transaction is under way (process {holder})",
                hint="wait for it, and look with `status`",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock: an open transaction without it has lost its owner."""
    try:
        with exclusive(path):
            return False
    except BusyError:
        return True
