"""Whether this gateway refuses new updates because the repository's metadata expired or went back.

Kept in the journal, so that `status` and the report to the control plane tell it, too; what runs is kept.
"""

from __future__ import annotations

from pathlib import Path

from ota_py.errors import FreshnessError
from ota_py.gateway.floor import JournalFloor
from ota_py.gateway.journal import Journal
from ota_py.trust.carriers import Carrier
from ota_py.trust.client import TrustClient

FACT = "freshness_problem"


class WatchedTrust(TrustClient):
    """The repository's client; that it found something stale is written down until a refresh succeeds."""

    def __init__(self, root: Path, cache: Path, url: str, journal: Journal, carrier: Carrier) -> None:
        super().__init__(root, cache, url, JournalFloor(journal), carrier)
        self._journal = journal

    def refresh(self) -> None:
        """See `TrustClient.refresh`."""
        try:
            super().refresh()
        except FreshnessError as error:
            _note(self._journal, error.message)
            raise
        _note(self._journal, "")


def problem(journal: Journal) -> str:
    """Why new updates are refused, in words; empty when they are not."""
    rows = journal.read("SELECT value FROM facts WHERE key = ?", (FACT,))
    return str(rows[0]["value"]) if rows else ""


def _note(journal: Journal, message: str) -> None:
    if message == problem(journal):
        return
    with journal.write("freshness") as connection:
        connection.execute("DELETE FROM facts WHERE key = ?", (FACT,))
        connection.execute("INSERT INTO facts (key, value) VALUES (?, ?)", (FACT, message))
