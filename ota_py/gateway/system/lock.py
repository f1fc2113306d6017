"""The lock for one transaction at a time: on a file, dropped by the kernel when the process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ota_py.errors import BusyError
from ota_py.gateway.system import files

# The default wait: `is_held` itself holds the lock for a moment.
GLANCE_SECONDS = 0.5
_RETRY_SECONDS = 0.02


@contextlib.contextmanager
def exclusive(path: Path, wait_seconds: float = GLANCE_SECONDS) -> Iterator[None]:
    """Hold the gateway's lock.

    Args:
        wait_seconds: how long to try; the default outlasts a process that only calls `is_held`.

    Raises:
        BusyError: another process holds it; the message names its process id.
    """
    files.make_directory(path.parent, 0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, wait_seconds)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock: an open transaction whose lock is free has lost its owner."""
    try:
        with exclusive(path, wait_seconds=0):
            return False
    except BusyError:
        return True


def _take(descriptor: int, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
                raise BusyError(
                    f"another transaction is under way (process {holder})",
                    hint="wait for it, and look with `status`",
                ) from None
        time.sleep(_RETRY_SECONDS)
