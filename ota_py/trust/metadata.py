"""TUF metadata as it is published: how long each role holds, and how it is signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError as TufRepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from ota_py.errors import ConflictError, KeyFileError
from ota_py.trust.verify import METADATA_VERSION_MAX

JSON = "application/json"


@dataclass(frozen=True)
class Lifetimes:
    """How long signatures hold, in days. Reasons and costs: docs/adr/0018-freshness.md.

    Attributes:
        root: of root.json.
        release: of the list of updates.
        online: of snapshot and timestamp.
    """

    root: int = 365
    release: int = 90
    online: int = 14

    def of(self, role: str) -> timedelta:
        """How long metadata of a TUF role holds."""
        days = {Root.type: self.root, Targets.type: self.release}.get(role, self.online)
        return timedelta(days=days)

    def until(self, role: str, now: datetime) -> datetime:
        """Until when metadata of a TUF role holds that is signed now."""
        return (now + self.of(role)).replace(microsecond=0)


LIFETIMES = Lifetimes()


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
    lifetimes: Lifetimes = LIFETIMES,
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
            expires=lifetimes.until(Snapshot.type, now),
            meta={"targets.json": _meta(targets_version, targets)},
        ),
        online,
    )
    timestamp = Timestamp(
        version=timestamp_version,
        expires=lifetimes.until(Timestamp.type, now),
        snapshot_meta=_meta(snapshot_version, snapshot),
    )
    return snapshot, signed(timestamp, online)


def _meta(version: int, data: bytes) -> MetaFile:
    return MetaFile(version=version, length=len(data), hashes={"sha256": hashlib.sha256(data).hexdigest()})
