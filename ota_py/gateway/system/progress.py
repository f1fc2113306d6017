"""What the engine tells while it works; whoever shows it implements this."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what happens. None of these may raise, or a lost terminal would end an update."""

    def step(self, name: str) -> None:
        """A step begins."""

    def done(self, name: str, seconds: float) -> None:
        """A step has ended well."""

    def pulling(self, image: str, here: int, total: int) -> None:
        """So many bytes of an image are here, of so many that are known to come."""

    def note(self, text: str) -> None:
        """Anything else worth a line."""


class Silence:
    """Shows nothing."""

    def step(self, name: str) -> None:
        """See `Progress`."""

    def done(self, name: str, seconds: float) -> None:
        """See `Progress`."""

    def pulling(self, image: str, here: int, total: int) -> None:
        """See `Progress`."""

    def note(self, text: str) -> None:
        """See `Progress`."""
