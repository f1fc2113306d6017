"""Facts of a journal: single values by name, such as the installed version, that outlive a power cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ota_py.gateway.journal.journal import Journal

# What was given to the services, see ota_py.gateway.policy.baseline.
BASELINE = "baseline"


def read(journal: Journal, key: str) -> str:
    """The value of a fact; empty where there is none."""
    rows = journal.read("SELECT value FROM facts WHERE key = ?", (key,))
    return str(rows[0]["value"]) if rows else ""


def record(journal: Journal, key: str, value: str, *, name: str) -> None:
    """Record a fact durably.

    Args:
        name: of the write, for the failpoints around it.
    """
    with journal.write(name) as connection:
        connection.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (key, value))


def forget(journal: Journal, key: str, *, name: str) -> None:
    """Remove a fact durably, where there is one; for `name` see `record`."""
    with journal.write(name) as connection:
        connection.execute("DELETE FROM facts WHERE key = ?", (key,))
