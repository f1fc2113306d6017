"""The gateway's client of the repository, which records a freshness problem in the journal. See freshness.py."""

from __future__ import annotations

from pathlib import Path

from ota_py.errors import FreshnessError, OtaError
from ota_py.gateway.fetch import freshness
from ota_py.gateway.journal.floor import JournalFloor
from ota_py.gateway.journal.journal import Journal
from ota_py.trust.fetch.carriers import Carrier
from ota_py.trust.fetch.client import TrustClient


class WatchedTrust(TrustClient):
    """A trust client that records that the metadata is stale, until a refresh succeeds."""

    def __init__(self, root: Path, cache: Path, url: str, journal: Journal, carrier: Carrier) -> None:
        super().__init__(root, cache, url, JournalFloor(journal), carrier)
        self._journal = journal

    def refresh(self) -> None:
        """See `TrustClient.refresh`."""
        try:
            super().refresh()
        except FreshnessError as error:
            freshness.record_problem(self._journal, error.message)
            raise
        except OtaError as error:
            if ended := self.expired():
                freshness.record_problem(
                    self._journal,
                    f"the repository's metadata has expired: it held until {ended:%Y-%m-%d %H:%M} UTC, and "
                    f"newer cannot be had: {error.message}",
                )
            raise
        freshness.record_problem(self._journal, "")
