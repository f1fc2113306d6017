"""What every kind of database can do; `databases.py` opens the kind that the configuration names.

A restore needs no more space than the database had: what is there goes first. So it can be repeated
from its beginning, and a dump is checked against its hash before anything of the old is removed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

# What a restore needs to know besides the dump; JSON data.
Facts = dict[str, Any]


class Database(Protocol):
    """One database of the gateway, or other data that goes with its version.

    Attributes:
        label: what people call it.
        needs: services that must run while it is dumped or restored.
    """

    label: str
    needs: list[str]

    def writers(self) -> list[str]:
        """Services that must be stopped before its dump; none for an online dump."""

    def size(self) -> int:
        """Bytes that a dump may take, judged by what is there now."""

    def place(self) -> Path | None:
        """A directory of this machine that its data is in; None: the engine has it."""

    def dump(self, target: Path, timeout_seconds: float) -> Facts:
        """Write a consistent copy to the new file `target`."""

    def restore(self, source: Path, facts: Facts, timeout_seconds: float) -> None:
        """Make the database what it was at the dump, nothing more and nothing less."""
