"""The floor: the highest metadata versions ever seen, where a power cut cannot lose them."""

from __future__ import annotations

from ota_py.gateway.journal.journal import Journal


class JournalFloor:
    """The floor, kept in the journal; implements `ota_py.trust.fetch.floor.Floor`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def get(self, role: str) -> int:
        """The highest version of `role` seen, or 0."""
        rows = self._journal.read("SELECT version FROM floor WHERE role = ?", (role,))
        return int(rows[0]["version"]) if rows else 0

    def raise_to(self, role: str, version: int) -> None:
        """Record `version` as seen; a lower one changes nothing, and nothing is written twice."""
        if version <= self.get(role):
            return
        with self._journal.write("floor") as connection:
            connection.execute(
                "INSERT INTO floor (role, version) VALUES (?, ?) ON CONFLICT (role) DO UPDATE "
                "SET version = max(version, excluded.version)",
                (role, version),
            )
