"""Simulated time: a sleep takes none, and a call that hangs uses up its own limit at once.

The clock is shared with forked processes, so that it goes on where a killed one left it.
"""

from __future__ import annotations

import mmap
import struct
import time
from datetime import UTC, datetime

# 2026-01-01T00:00:00Z, when the simulation begins.
EPOCH = 1767225600.0
# What looking at the clock takes: a loop without a sleep ends, too.
GLANCE_SECONDS = 0.0001

_LAYOUT = struct.Struct("ddd")


class SimClock:
    """Seconds since the simulation began, the number of the boot, and when that was.

    A class of one object for each worker process; its memory is shared with the children.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _LAYOUT.size)
        self.set(0.0, 1.0, 0.0)

    def set(self, now: float, boot: float, booted_at: float) -> None:
        """Set the clock."""
        _LAYOUT.pack_into(self._memory, 0, now, boot, booted_at)

    def get(self) -> tuple[float, float, float]:
        """Seconds since the beginning, the boot's number, and the second at which that boot began."""
        now, boot, booted_at = _LAYOUT.unpack_from(self._memory, 0)
        return now, boot, booted_at

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        now, boot, booted_at = self.get()
        self.set(now + max(seconds, 0.0), boot, booted_at)

    def reboot(self, off_seconds: float = 60.0) -> None:
        """Another boot, after some time without power."""
        now, boot, _ = self.get()
        self.set(now + off_seconds, boot + 1, now + off_seconds)

    def monotonic(self) -> float:
        """Seconds since boot; each call is a little later."""
        self.sleep(GLANCE_SECONDS)
        now, _, booted_at = self.get()
        return now - booted_at

    def time(self) -> float:
        """Seconds since the epoch."""
        self.sleep(GLANCE_SECONDS)
        return EPOCH + self.get()[0]

    def boot_id(self) -> str:
        """The id of the boot."""
        return f"boot-{self.get()[1]:.0f}"

    def stamp(self) -> str:
        """The time now, as the journal and Docker write it."""
        return datetime.fromtimestamp(self.time(), UTC).isoformat(timespec="milliseconds")[:-6] + "Z"

    def install(self) -> None:
        """Let this process live in simulated time, until it ends."""
        from ota_py.gateway.system import clock

        time.sleep = self.sleep
        time.monotonic = self.monotonic
        time.time = self.time
        clock.boot_seconds = self.monotonic
        clock.boot_id = self.boot_id
