"""Progress: the interface by which the engine reports while it works; a terminal, for one, implements it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receiver of the engine's progress. No method may raise, or a lost terminal would end an update."""

    def step(self, name: str) -> None:
        """A step begins."""

    def done(self, name: str, seconds: float) -> None:
        """A step has ended well."""

    def pulling(self, image: str, here: int, total: int) -> None:
        """Bytes of an image that are here, of those that are known to come."""

    def note(self, text: str) -> None:
        """A line of text for people."""


class Silence:
    """A progress receiver that shows nothing."""

    def step(self, name: str) -> None:
        """See `Progress`."""

    def done(self, name: str, seconds: float) -> None:
        """See `Progress`."""

    def pulling(self, image: str, here: int, total: int) -> None:
        """See `Progress`."""

    def note(self, text: str) -> None:
        """See `Progress`."""
