"""Time: stamps for people, and a limit that neither a restart nor a reboot resets or skips."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ota_py.errors import DeadlineError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def stamp() -> str:
    """The time now, as RFC 3339 in UTC with milliseconds and Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def boot_id() -> str:
    """The kernel's id of this boot of the machine."""
    return _BOOT_ID.read_text().strip()


def boot_seconds() -> float:
    """Seconds since this boot; goes on while the machine sleeps, and no clock change moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Clock:
    """Time spent against a limit, in a form that can be stored.

    Attributes:
        limit: seconds allowed.
        spent: seconds used when the clock was last stored.
        boot: the boot in which it was stored.
        at: `boot_seconds()` when it was stored.
    """

    limit: float
    spent: float
    boot: str
    at: float

    @classmethod
    def started(cls, limit: float) -> Clock:
        """A clock that starts now, with `limit` seconds to go."""
        return cls(limit, 0.0, boot_id(), boot_seconds())

    def elapsed(self) -> float:
        """Seconds spent until now; after a reboot the uptime counts, the time without power does not."""
        now = boot_seconds()
        return self.spent + (now - self.at if boot_id() == self.boot else now)

    def age(self) -> float:
        """Seconds since the clock was stored; infinite if that was in another boot."""
        return boot_seconds() - self.at if boot_id() == self.boot else math.inf

    def left(self) -> float:
        """Seconds until the limit; negative once the limit has passed."""
        return self.limit - self.elapsed()

    def stored(self) -> Clock:
        """This clock with the time spent until now, to be stored."""
        return Clock(self.limit, self.elapsed(), boot_id(), boot_seconds())

    def check(self, doing: str) -> float:
        """Seconds left until the limit.

        Args:
            doing: what is under way, for the message.

        Raises:
            DeadlineError: the limit has passed.
        """
        left = self.left()
        if left <= 0:
            raise DeadlineError(f"time was up while {doing}: the limit is {self.limit:.0f} s")
        return left
