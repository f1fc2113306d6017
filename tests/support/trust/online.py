"""Snapshot and timestamp, as the owner of their key can make them."""

from __future__ import annotations

from datetime import UTC, datetime

from securesystemslib.signer import Signer

from ota_py.trust.documents.metadata import OnlineSigners, meta_of, snapshot_metadata, timestamp_metadata


def online_metadata(
    list_version: int, targets: bytes, versions: tuple[int, int], signer: Signer
) -> tuple[bytes, bytes]:
    """Snapshot and timestamp of such versions, which lead to a list of updates, signed by one key."""
    now, signers = datetime.now(UTC), OnlineSigners.one(signer)
    snapshot = snapshot_metadata(list_version, targets, versions[0], signers, now)
    return snapshot, timestamp_metadata(meta_of(versions[0], snapshot), versions[1], signers, now)
