"""Snapshot and timestamp, signed anew: the last step of everything that is published.

The order of writing is the point: what the new timestamp leads to comes first, and `timestamp.json` last, so
that a reader sees the old consistent set or the new one, never half (TUF specification, section 6.2).
Nothing is overwritten but `timestamp.json`, and only while it is as it was read: of two who publish at once,
one succeeds, and the other is told.
"""

from __future__ import annotations

from datetime import datetime

from securesystemslib.signer import Signer
from tuf.api.metadata import Snapshot

from ota_py.errors import ConflictError
from ota_py.trust import layout
from ota_py.trust.metadata import JSON, online_metadata
from ota_py.trust.repository import Repository
from ota_py.trust.versions import free_version

OVERTAKEN = "somebody else published at the same moment; nothing of theirs was changed"


def lead_to(repository: Repository, version: int, targets: bytes, online: Signer, now: datetime) -> None:
    """Make a version of the list of updates, which is in the store, the one that gateways see.

    Args:
        targets: its bytes.
        online: signs snapshot and timestamp.
        now: with time zone.

    Raises:
        ConflictError: something else was published since the repository was read.
        KeyFileError: the online key refused.
        StoreError: the store failed; gateways see what they saw.
    """
    store = repository.store
    snapshot_version = free_version(store, Snapshot.type, repository.snapshot.version)
    snapshot, timestamp = online_metadata(
        version,
        targets,
        snapshot_version,
        repository.timestamp.version + 1,
        online,
        now,
        repository.lifetimes,
    )
    try:
        store.put_new(f"{layout.METADATA}{snapshot_version}.snapshot.json", snapshot, JSON)
        store.replace(layout.TIMESTAMP, timestamp, JSON, repository.timestamp_raw)
    except ConflictError:
        raise ConflictError(OVERTAKEN, hint="run the same command again") from None
    repository.load()


def renew(repository: Repository, online: Signer, now: datetime) -> None:
    """Sign snapshot and timestamp anew, so that they do not expire; nothing else changes.

    Raises:
        ConflictError, KeyFileError, StoreError: see `lead_to`.
    """
    lead_to(repository, repository.targets.version, repository.targets_raw, online, now)
