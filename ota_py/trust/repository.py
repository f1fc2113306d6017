"""Publishing: the TUF repository that carries signed updates, kept in a `Store`.

The order of writing is the point of this file: targets first, then the metadata that names them, and
`timestamp.json` last, so that a reader sees the old consistent set or the new one, never half
(TUF specification, section 6.2). Nothing is overwritten but `timestamp.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import RepositoryError as TufRepositoryError
from tuf.api.metadata import (
    Metadata,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError

from ota_py import names
from ota_py.errors import ConflictError, NotFoundError, StoreError, TrustError
from ota_py.trust import layout
from ota_py.trust.large_files import check_file
from ota_py.trust.metadata import JSON, expiry, online_metadata, signed
from ota_py.trust.store import Store
from ota_py.trust.verify import VerifiedManifest, check_integrity, check_keys, parse_root, verify_manifest
from ota_py.trust.versions import free_version

S = TypeVar("S", Snapshot, Targets, Timestamp)


def initialise(
    store: Store, root_signer: Signer, release_key: Key, release: Signer, online: Signer, now: datetime
) -> bytes:
    """Create an empty repository and return the bytes of its `root.json`, the gateways' trust anchor.

    Args:
        store: where to; must not hold a repository yet.
        root_signer: signs root.
        release_key: public key of `release`; the role that signs targets metadata and manifests.
        release: signs the empty targets metadata.
        online: signs snapshot and timestamp.
        now: with time zone; expiries count from here.

    Raises:
        ConflictError: the store holds a repository already.
        StoreError: the store failed; what was written is removed again.
    """
    if store.list(layout.METADATA):
        raise ConflictError(
            f"{store.url} holds a repository already", hint="choose another place, or go on with that one"
        )
    root = Root(consistent_snapshot=True, expires=expiry(Root.type, now))
    root.add_key(root_signer.public_key, Root.type)
    root.add_key(release_key, Targets.type)
    for role in (Snapshot.type, Timestamp.type):
        root.add_key(online.public_key, role)
    check_keys(root)
    signed_root = signed(root, root_signer)
    targets = Targets(expires=expiry(Targets.type, now))
    try:
        store.put(f"{layout.METADATA}1.root.json", signed_root, JSON)
        _write_metadata(store, targets, 1, 1, release, online, now)
    except BaseException:
        remove_initialised(store)
        raise
    return signed_root


def remove_initialised(store: Store) -> None:
    """Remove what `initialise` made, as far as the store allows it."""
    for name in ("timestamp.json", *(f"1.{role}.json" for role in ("snapshot", "targets", "root"))):
        with suppress(StoreError):
            store.delete(layout.METADATA + name)


@dataclass(frozen=True)
class PublishedTarget:
    """One file of a published update: its key in the store, its hash in hex, its bytes."""

    key: str
    sha256: str
    length: int


class Repository:
    """A published repository, read and verified from its store.

    Args:
        store: where it is.
        root: bytes of the operator's `root.json`.

    Raises:
        NotFoundError: the store holds no repository.
        TrustError: what it holds is not signed by this root.
    """

    def __init__(self, store: Store, root: bytes) -> None:
        self.store = store
        self.root = parse_root(root)
        timestamp = self._load(Timestamp, "timestamp.json")
        self._timestamp_version = timestamp.version
        snapshot = self._load(Snapshot, f"{timestamp.snapshot_meta.version}.snapshot.json")
        self._snapshot_version = snapshot.version
        self._targets = self._load(Targets, f"{snapshot.meta['targets.json'].version}.targets.json")

    def release_key(self) -> Key:
        """The public key of the release (targets) role."""
        return self._key(Targets.type)

    def online_key(self) -> Key:
        """The public key of the snapshot and timestamp roles."""
        return self._key(Snapshot.type)

    def versions(self) -> list[str]:
        """All published versions, oldest first."""
        found = [str(t.custom["version"]) for t in self._targets.targets.values() if t.custom]
        return sorted(found, key=names.parse_version)

    def targets_of(self, version: str) -> list[PublishedTarget]:
        """Manifest, signature and files of a published update, as they lie in the store."""
        prefix = layout.update_prefix(version)
        return [
            PublishedTarget(
                layout.target_key(path, target.hashes["sha256"]), target.hashes["sha256"], target.length
            )
            for path, target in sorted(self._targets.targets.items())
            if path.startswith(prefix)
        ]

    def metadata(self) -> tuple[dict[str, bytes], datetime]:
        """The metadata files that belong together, by name, and until when gateways trust them.

        Raises:
            ConflictError: something was published at this moment.
            StoreError: the store cannot be read.
        """
        snapshot, targets = f"{self._snapshot_version}.snapshot.json", f"{self._targets.version}.targets.json"
        roots = [f"{version}.root.json" for version in range(1, self.root.version + 1)]
        read = {
            name: self.store.get(layout.METADATA + name)
            for name in (*roots, "timestamp.json", snapshot, targets)
        }
        timestamp = Metadata[Timestamp].from_bytes(read["timestamp.json"]).signed
        if timestamp.version != self._timestamp_version:
            raise ConflictError("something was published at this moment", hint="run the command again")
        expiries = [
            Metadata.from_bytes(data).signed.expires for name, data in read.items() if name not in roots
        ]
        return read, min([*expiries, self.root.expires])

    def manifest(self, version: str) -> VerifiedManifest:
        """One published manifest, verified.

        Raises:
            NotFoundError: no such version.
            TrustError: the store's bytes are not what was signed.
        """
        raw = self._target(layout.manifest_path(version))
        signature = self._target(layout.signature_path(version))
        return verify_manifest(raw, signature, self.root)

    def publish(
        self,
        raw: bytes,
        signature: bytes,
        files: Mapping[str, bytes | Path],
        release: Signer,
        online: Signer,
        now: datetime,
    ) -> None:
        """Publish one signed manifest and its files; after an error it can simply be run again.

        Args:
            raw: the manifest's bytes, as signed.
            signature: bytes of manifest.json.sig.
            files: content by target path, large ones as a file; exactly those that the manifest names.
            release: signs the targets metadata.
            online: signs snapshot and timestamp.
            now: with time zone.

        Raises:
            ConflictError: the version is published already.
            TrustError: the signature does not hold, or a file is not what the manifest says.
            StoreError: the store failed; no gateway sees anything of the update.
        """
        verified = verify_manifest(raw, signature, self.root)
        version = verified.manifest.version
        if version in self.versions():
            raise ConflictError(
                f"update {version} is published already", hint="a version is never replaced; use a new one"
            )
        for named in verified.manifest.targets:
            _check(files[named.target], named.sha256, named.length, named.what)
        contents: dict[str, bytes | Path] = {
            **files,
            layout.manifest_path(version): raw,
            layout.signature_path(version): signature,
        }
        for path, data in contents.items():
            self._targets.targets[path] = self._put(path, data)
        self._targets.targets[layout.manifest_path(version)].unrecognized_fields["custom"] = {
            "version": version,
            "critical": verified.manifest.critical,
        }
        self._targets.version = free_version(self.store, Targets.type, self._targets.version)
        self._targets.expires = expiry(Targets.type, now)
        self._write(self._targets, release, online, now)

    def _put(self, path: str, data: bytes | Path) -> TargetFile:
        if isinstance(data, bytes):
            target = TargetFile.from_data(path, data, ["sha256"])
            self.store.put(layout.target_key(path, target.hashes["sha256"]), data, _content_type(path))
            return target
        target = TargetFile.from_file(path, str(data), ["sha256"])
        self.store.put_file(layout.target_key(path, target.hashes["sha256"]), data, _content_type(path))
        return target

    def renew(self, online: Signer, now: datetime) -> None:
        """Sign snapshot and timestamp anew, so that they do not expire; nothing else changes."""
        self._write(self._targets, None, online, now)

    def _write(self, targets: Targets, release: Signer | None, online: Signer, now: datetime) -> None:
        self._snapshot_version = free_version(self.store, Snapshot.type, self._snapshot_version)
        self._timestamp_version += 1
        _write_metadata(
            self.store, targets, self._snapshot_version, self._timestamp_version, release, online, now
        )

    def _key(self, role: str) -> Key:
        return self.root.keys[self.root.roles[role].keyids[0]]

    def _load(self, kind: type[S], name: str) -> S:
        try:
            raw = self.store.get(layout.METADATA + name)
        except NotFoundError:
            raise NotFoundError(
                f"{self.store.url} has no {layout.METADATA}{name}",
                hint="is this the right store? `init` creates a repository",
            ) from None
        try:
            envelope = Metadata[S].from_bytes(raw)
            if not isinstance(envelope.signed, kind):
                raise TrustError(f"{name} holds the role {envelope.signed.type!r}, expected {kind.type!r}")
            self.root.verify_delegate(kind.type, envelope.signed_bytes, envelope.signatures)
        except (DeserializationError, TufRepositoryError, ValueError) as error:
            raise TrustError(f"{self.store.url}: {name} is not what root's keys signed: {error}") from None
        return envelope.signed

    def _target(self, path: str) -> bytes:
        target = self._targets.targets.get(path)
        if target is None:
            raise NotFoundError(f"the repository {self.store.url} has no {path}")
        sha256 = target.hashes["sha256"]
        return check_integrity(self.store.get(layout.target_key(path, sha256)), sha256, target.length, path)


def _write_metadata(
    store: Store,
    targets: Targets,
    snapshot_version: int,
    timestamp_version: int,
    release: Signer | None,
    online: Signer,
    now: datetime,
) -> None:
    targets_name = f"{layout.METADATA}{targets.version}.targets.json"
    if release:
        store.put(targets_name, signed(targets, release), JSON)
    targets_bytes = store.get(targets_name)
    snapshot, timestamp = online_metadata(
        targets.version, targets_bytes, snapshot_version, timestamp_version, online, now
    )
    store.put(f"{layout.METADATA}{snapshot_version}.snapshot.json", snapshot, JSON)
    store.put(layout.TIMESTAMP, timestamp, JSON)


def _check(data: bytes | Path, sha256: str, length: int, what: str) -> None:
    if isinstance(data, bytes):
        check_integrity(data, sha256, length, what)
    else:
        check_file(data, sha256, length, what)


def _content_type(path: str) -> str:
    return JSON if path.endswith((".json", ".sig")) else "application/octet-stream"
