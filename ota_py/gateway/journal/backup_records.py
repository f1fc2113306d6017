"""Records of backups in the journal: which exist, and the hash of each one's index."""

from __future__ import annotations

from typing import Any

from ota_py.gateway.journal.journal import Journal


def sha256_of(journal: Journal, backup_id: str) -> str | None:
    """The recorded SHA-256 of a backup's index, in hex; None where there is no such backup."""
    rows = journal.read("SELECT sha256 FROM backups WHERE id = ?", (backup_id,))
    return str(rows[0]["sha256"]) if rows else None


def entries(journal: Journal) -> list[dict[str, Any]]:
    """All backups, newest first: id, version, created_at, transaction, bytes."""
    # In the order in which they were recorded: the clock may have been set back since.
    rows = journal.read("SELECT * FROM backups ORDER BY rowid DESC")
    return [
        {
            "id": row["id"],
            "version": row["version"],
            "created_at": row["created_at"],
            "transaction": row["transaction_id"],
            "bytes": row["bytes"],
        }
        for row in rows
    ]


def record(
    journal: Journal,
    backup_id: str,
    *,
    version: str,
    transaction: str | None,
    created_at: str,
    sha256: str,
    size: int,
) -> None:
    """Record a backup durably: it exists from here on.

    Args:
        transaction: the one that made it; None for a backup that a person requested.
        sha256: of the backup's index, in hex.
        size: bytes of all files of the backup.
    """
    with journal.write("backup") as connection:
        connection.execute(
            "INSERT OR REPLACE INTO backups (id, version, transaction_id, created_at, sha256, bytes) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (backup_id, version, transaction, created_at, sha256, size),
        )


def remove(journal: Journal, backup_id: str) -> None:
    """Remove the record of a backup durably."""
    with journal.write("backup.remove") as connection:
        connection.execute("DELETE FROM backups WHERE id = ?", (backup_id,))
