"""Loopback ports of servers that are started a moment later, or again: nobody else is given them meanwhile."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path

# Below those that the kernel hands out: a port that was found free there may be another's when it is used.
RANGE = range(12_000, 19_900)
# The last one given: tests that run at the same time in several processes share it.
_LAST = Path(tempfile.gettempdir()) / f"ota-test-port-{os.getuid()}"


def free_port() -> int:
    """A port that is free on loopback, and is not given again before all others were."""
    with open(_LAST, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        port = int(file.read() or RANGE.stop)
        for _ in RANGE:
            port = port + 1 if port + 1 in RANGE else RANGE.start
            try:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            file.truncate(0)
            file.write(str(port))
            return port
    raise AssertionError(f"no port of {RANGE} is free")


def accepts(port: int) -> bool:
    """Whether a server on loopback takes connections."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
