"""Progress lines for people who wait."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Counts the steps of a long command and says how long each took."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._number = 0
        self._begin = time.monotonic()
        self._lock = threading.Lock()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Announce a step; on leaving it, say what it cost."""
        self._number += 1
        begin = time.monotonic()
        self._print(f"[{self._number}/{self._total}] {text} ...")
        yield
        self.seconds[text] = round(time.monotonic() - begin, 1)
        self._print(f"[{self._number}/{self._total}] {text}: {self.seconds[text]:.1f} s")

    def note(self, text: str) -> None:
        """Print a line that belongs to the present step."""
        self._print(f"      {text}")

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._begin

    def _print(self, text: str) -> None:
        with self._lock:
            minutes, seconds = divmod(int(self.elapsed), 60)
            print(f"{minutes:02d}:{seconds:02d} {text}", file=sys.stderr, flush=True)
