"""TUF metadata as it is published: how long each role holds, and how it is signed."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError as TufRepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from ota_py.errors import ConflictError, KeyFileError
from ota_py.trust.verify import METADATA_VERSION_MAX

# How long each role's signature holds. Reasons and costs: docs/adr/0004-expiry-of-metadata.md.
EXPIRY = {
    Root.type: timedelta(days=365),
    Targets.type: timedelta(days=365),
    Snapshot.type: timedelta(days=30),
    Timestamp.type: timedelta(days=30),
}

JSON = "application/json"


def expiry(role: str, now: datetime) -> datetime:
    """Until when metadata of a role holds that is signed now."""
    return (now + EXPIRY[role]).replace(microsecond=0)


def signed(content: Root | Targets | Snapshot | Timestamp, signer: Signer) -> bytes:
    """The bytes of signed metadata.

    Raises:
        KeyFileError: the key refused.
    """
    envelope: Metadata[Any] = Metadata(content)
    try:
        envelope.sign(signer)
    except (TufRepositoryError, SecureSystemsError, ValueError, OSError) as error:
        raise KeyFileError(f"the {content.type} metadata could not be signed: {error}") from None
    return envelope.to_bytes(JSONSerializer())


def online_metadata(
    targets_version: int,
    targets: bytes,
    snapshot_version: int,
    timestamp_version: int,
    online: Signer,
    now: datetime,
) -> tuple[bytes, bytes]:
    """Snapshot and timestamp that lead to a version of the targets metadata.

    Raises:
        ConflictError: the highest version is taken.
        KeyFileError: the online key refused.
    """
    if max(snapshot_version, timestamp_version) > METADATA_VERSION_MAX:
        raise ConflictError(
            f"snapshot or timestamp has the highest version there is, {METADATA_VERSION_MAX}",
            hint="somebody else has the online key: run `ota_manager.py keys rotate online`",
        )
    snapshot = signed(
        Snapshot(
            version=snapshot_version,
            expires=expiry(Snapshot.type, now),
            meta={"targets.json": _meta(targets_version, targets)},
        ),
        online,
    )
    timestamp = Timestamp(
        version=timestamp_version,
        expires=expiry(Timestamp.type, now),
        snapshot_meta=_meta(snapshot_version, snapshot),
    )
    return snapshot, signed(timestamp, online)


def _meta(version: int, data: bytes) -> MetaFile:
    return MetaFile(version=version, length=len(data), hashes={"sha256": hashlib.sha256(data).hexdigest()})
