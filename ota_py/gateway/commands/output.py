"""The output for people: a line for each step while the engine works, a sentence at the end, tables."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from ota_py.contract.transactions import Outcome, State
from ota_py.gateway.transaction.results import Result
from ota_py.text.table import aligned

_BAR_CHARS = 24
_REDRAW_SECONDS = 0.1
_MIB = 1024**2


class Terminal:
    """Progress on standard output (`ota_py.gateway.system.progress`); a lost terminal changes nothing."""

    def __init__(self) -> None:
        self._is_tty = sys.stdout.isatty()
        self._begun = time.monotonic()
        self._drawn = 0.0
        self._pulls: dict[str, tuple[int, int]] = {}

    def step(self, name: str) -> None:
        """See `Progress`."""
        if self._is_tty:
            self._draw(f"{self._clock()} {name} ...")

    def done(self, name: str, seconds: float) -> None:
        """See `Progress`."""
        self._line(f"{self._clock()} {name:<12} {seconds:7.2f} s")

    def pulling(self, image: str, here: int, total: int) -> None:
        """See `Progress`."""
        self._pulls[image] = (here, total)
        if not self._is_tty or time.monotonic() - self._drawn < _REDRAW_SECONDS:
            return
        here, total = (sum(pull[i] for pull in self._pulls.values()) for i in (0, 1))
        share = here / total if total else 0.0
        bar = "#" * int(share * _BAR_CHARS)
        size = f"{here / _MIB:,.1f} of {total / _MIB:,.1f} MiB"
        self._draw(f"{self._clock()} {State.PULLED} [{bar:<{_BAR_CHARS}}] {share:4.0%}  {size}")

    def note(self, text: str) -> None:
        """See `Progress`."""
        self._line(f"{self._clock()} {text}")

    def _clock(self) -> str:
        return f"{time.monotonic() - self._begun:7.1f} s"

    def _draw(self, text: str) -> None:
        self._drawn = time.monotonic()
        with _harmless():
            click.echo(f"\r\033[K{text}", nl=False)

    def _line(self, text: str) -> None:
        with _harmless():
            click.echo(f"\r\033[K{text}" if self._is_tty else text)


def sentence(result: Result) -> str:
    """The end of a transaction, in one sentence."""
    version, before = result["version"], result["from_version"]
    down = result["downtime_seconds"]
    endings: dict[Outcome, Callable[[], str]] = {
        Outcome.SUCCEEDED: lambda: f"updated from {before} to {version}" + (f"; down {down:.1f} s" if down else ""),
        Outcome.ROLLED_BACK: lambda: f"rolled back: {version} is left, {before} runs",
        Outcome.FAILED: lambda: f"update to {version} failed before anything was touched; {before} runs on",
        Outcome.BROKEN: lambda: f"update to {version} and the rollback failed; a person is needed",
        Outcome.SKIPPED: lambda: str(result["reason"]),
        Outcome.HELD: lambda: f"update to {version} is prepared and held back; {before} runs on",
        Outcome.UNFINISHED: lambda: f"update to {version} is open in state {result['state']}",
    }
    return endings[Outcome(result["outcome"])]()


def age(seconds: float) -> str:
    """An age in its largest unit: `40 s`, `12 min`, `3 h`, `5 days`."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: int) -> str:
    """A number of bytes for people: `1.5 GiB`."""
    for unit, length in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} bytes"


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table: columns under headings, each as wide as its widest cell."""
    cells = ([str("-" if cell is None else cell) for cell in row] for row in rows)
    return "\n".join(aligned([headings, *cells]))


@contextlib.contextmanager
def _harmless() -> Iterator[None]:
    """Ignore errors of standard output, which may be gone with the connection; the update goes on."""
    with contextlib.suppress(OSError, ValueError):
        yield
