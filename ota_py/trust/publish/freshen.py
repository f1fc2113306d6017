"""Snapshot and timestamp, signed anew: the last step of everything that is published.

The order of writing is the point: what the new timestamp leads to comes first, and `timestamp.json` last, so
that a reader sees the old consistent set or the new one, never half (TUF specification, section 6.2).
Nothing is overwritten but `timestamp.json`, and only while it is as it was read: of two who publish at once,
one succeeds, and the other gets an error.
"""

from __future__ import annotations

from datetime import datetime

from tuf.api.metadata import MetaFile, Snapshot, Timestamp

from ota_py.errors import ConflictError
from ota_py.trust import layout
from ota_py.trust.documents.metadata import (
    JSON,
    OnlineSigners,
    meta_of,
    snapshot_metadata,
    timestamp_metadata,
)
from ota_py.trust.repository.metadata_versions import free_version
from ota_py.trust.repository.repository import Repository

OVERTAKEN = "somebody else published at the same moment; nothing of theirs was changed"


def lead_to(repository: Repository, version: int, targets: bytes, online: OnlineSigners, now: datetime) -> None:
    """Make a version of the list of updates, which is in the store, the one that gateways see.

    Args:
        targets: its bytes.
        now: with time zone.

    Raises:
        ConflictError: something else was published since the repository was read.
        KeyFileError: too few of the keys are here, or one refused.
        StoreError: the store failed; gateways see what they saw.
    """
    online.require(repository.root, Snapshot.type, Timestamp.type)
    number = free_version(repository.store, Snapshot.type, repository.snapshot.version)
    snapshot = snapshot_metadata(version, targets, number, online, now, repository.lifetimes)
    timestamp = _next_timestamp(repository, meta_of(number, snapshot), online, now)
    try:
        repository.store.put_new(f"{layout.METADATA}{number}.snapshot.json", snapshot, JSON)
    except ConflictError:
        raise ConflictError(OVERTAKEN, hint="run the same command again") from None
    _replace_timestamp(repository, timestamp)


def renew(repository: Repository, online: OnlineSigners, now: datetime) -> None:
    """Sign timestamp anew, and snapshot where its keys are on this machine; nothing else changes.

    Raises:
        ConflictError, KeyFileError, StoreError: see `lead_to`.
    """
    if Snapshot.type in online.lacking(repository.root):
        online.require(repository.root, Timestamp.type)
        snapshot = repository.timestamp.snapshot_meta
        _replace_timestamp(repository, _next_timestamp(repository, snapshot, online, now))
    else:
        lead_to(repository, repository.targets.version, repository.targets_raw, online, now)


def _next_timestamp(repository: Repository, snapshot: MetaFile, online: OnlineSigners, now: datetime) -> bytes:
    version = repository.timestamp.version + 1
    return timestamp_metadata(snapshot, version, online, now, repository.lifetimes)


def _replace_timestamp(repository: Repository, timestamp: bytes) -> None:
    try:
        repository.store.replace(layout.TIMESTAMP, timestamp, JSON, repository.timestamp_raw)
    except ConflictError:
        raise ConflictError(OVERTAKEN, hint="run the same command again") from None
    repository.load()
