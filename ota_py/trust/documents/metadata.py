"""TUF metadata as it is published: how long each role holds, and how it is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError as TufRepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from ota_py.errors import ConflictError, KeyFileError
from ota_py.hashes import sha256_of
from ota_py.trust.verify import METADATA_VERSION_MAX

JSON = "application/json"
# As much of a key's id as people are shown.
ID_LENGTH = 16


@dataclass(frozen=True)
class Lifetimes:
    """Lifetimes of signatures, in days. Reasons and costs: docs/adr/0018-freshness.md.

    Attributes:
        root: of root.json.
        release: of the list of updates.
        snapshot, timestamp: of the metadata of that name.
    """

    root: int = 365
    release: int = 90
    snapshot: int = 14
    timestamp: int = 14

    def of(self, role: str) -> timedelta:
        """The lifetime of a TUF role's metadata."""
        days = {
            Root.type: self.root,
            Targets.type: self.release,
            Snapshot.type: self.snapshot,
            Timestamp.type: self.timestamp,
        }
        return timedelta(days=days[role])

    def until(self, role: str, now: datetime) -> datetime:
        """The expiry of a TUF role's metadata that is signed now."""
        return (now + self.of(role)).replace(microsecond=0)


LIFETIMES = Lifetimes()


@dataclass(frozen=True)
class OnlineSigners:
    """Signers of snapshot and timestamp whose private keys are on this machine.

    Attributes:
        snapshot: maybe none: what is listed can then be renewed, but not changed.
        timestamp: maybe none.
    """

    snapshot: Sequence[Signer] = ()
    timestamp: Sequence[Signer] = ()

    @classmethod
    def one(cls, signer: Signer) -> OnlineSigners:
        """The signers where one key signs both roles."""
        return cls((signer,), (signer,))

    def lacking(self, root: Root) -> list[str]:
        """The online roles with fewer keys on this machine than `root` requires."""
        here = {Snapshot.type: self.snapshot, Timestamp.type: self.timestamp}
        return [role for role, signers in here.items() if len(signers) < root.roles[role].threshold]

    def require(self, root: Root, *roles: str) -> None:
        """Check that the keys of these roles are on this machine.

        Raises:
            KeyFileError: too few are; it names them.
        """
        if lacking := [role for role in roles if role in self.lacking(root)]:
            raise KeyFileError(
                f"{' and '.join(roles)} must be signed anew, and too few of the keys are here: "
                + ", ".join(f"{role} takes {_wanted(root, role)}" for role in lacking),
                hint="run it on the machine that has them; [keys] in ota.toml names those of this one",
            )


def signed(content: Root | Targets | Snapshot | Timestamp, *signers: Signer) -> bytes:
    """The bytes of signed metadata.

    Raises:
        KeyFileError: a key refused.
    """
    envelope: Metadata[Any] = Metadata(content)
    try:
        for signer in signers:
            envelope.sign(signer, append=True)
    except (TufRepositoryError, SecureSystemsError, ValueError, OSError) as error:
        raise KeyFileError(f"the {content.type} metadata could not be signed: {error}") from None
    return envelope.to_bytes(JSONSerializer())


def snapshot_metadata(
    targets_version: int,
    targets: bytes,
    version: int,
    online: OnlineSigners,
    now: datetime,
    lifetimes: Lifetimes = LIFETIMES,
) -> bytes:
    """A snapshot that leads to a version of the targets metadata.

    Raises:
        ConflictError: the highest version is taken.
        KeyFileError: a key refused.
    """
    _check_version(Snapshot.type, version)
    listed = {"targets.json": meta_of(targets_version, targets)}
    content = Snapshot(version=version, expires=lifetimes.until(Snapshot.type, now), meta=listed)
    return signed(content, *online.snapshot)


def timestamp_metadata(
    snapshot: MetaFile, version: int, online: OnlineSigners, now: datetime, lifetimes: Lifetimes = LIFETIMES
) -> bytes:
    """A timestamp that leads to a snapshot; errors as of `snapshot_metadata`."""
    _check_version(Timestamp.type, version)
    content = Timestamp(version=version, expires=lifetimes.until(Timestamp.type, now), snapshot_meta=snapshot)
    return signed(content, *online.timestamp)


def meta_of(version: int, data: bytes) -> MetaFile:
    """The entry of a metadata file in the metadata that leads to it: version, length, hash."""
    return MetaFile(version=version, length=len(data), hashes={"sha256": sha256_of(data)})


def _check_version(role: str, version: int) -> None:
    if version > METADATA_VERSION_MAX:
        raise ConflictError(
            f"{role} has the highest version there is, {METADATA_VERSION_MAX}",
            hint="somebody else has that key: run `ota_manager.py keys rotate online`, or "
            f"`keys rotate {role}` where snapshot and timestamp have keys of their own",
        )


def _wanted(root: Root, role: str) -> str:
    named = root.roles[role]
    return f"{named.threshold} of {', '.join(keyid[:ID_LENGTH] for keyid in sorted(named.keyids))}"
