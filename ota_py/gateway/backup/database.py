"""The interface of a database in a backup; `database_factory.py` opens the kind that the configuration names.

A restore needs no more space than the database had: the present data goes first. So it can be repeated
from its beginning, and a dump is checked against its hash before anything of the old is removed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

# Facts that a restore needs besides the dump; JSON data.
Facts = dict[str, Any]


class Database(Protocol):
    """One database of the gateway, or other data that goes with its version.

    Attributes:
        label: its name for people.
        needs: services that must run while it is dumped or restored.
    """

    label: str
    needs: list[str]

    def writers(self) -> list[str]:
        """Services that must be stopped before a dump; none for an online dump."""

    def size(self) -> int:
        """Bytes that a dump may take, estimated from the present data."""

    def place(self) -> Path | None:
        """A directory of this machine that holds the data; None where Docker keeps it."""

    def dump(self, target: Path, timeout_seconds: float) -> Facts:
        """Write a consistent dump of the database to the new file `target`."""

    def restore(self, source: Path, facts: Facts, timeout_seconds: float) -> None:
        """Make the database what it was at the dump, nothing more and nothing less."""
