"""The repository that carries signed updates, read from its `Store` and verified as the operator does it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tuf.api.exceptions import RepositoryError as TufRepositoryError
from tuf.api.metadata import Metadata, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from ota_py.errors import ConflictError, NotFoundError, TrustError
from ota_py.trust import layout
from ota_py.trust.documents.metadata import LIFETIMES, Lifetimes
from ota_py.trust.repository.resigning import listed_versions
from ota_py.trust.repository.store import Store
from ota_py.trust.verify import VerifiedManifest, check_integrity, parse_root, verify_manifest

S = TypeVar("S", Snapshot, Targets, Timestamp)


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
        root: bytes of the operator's newest `root.json`.
        lifetimes: how long what is signed next holds.

    Attributes:
        timestamp, snapshot, targets: the metadata that belong together.
        timestamp_raw: the bytes of timestamp.json; it is replaced only while it is still so.

    Raises:
        NotFoundError: the store holds no repository.
        TrustError: what it holds is not signed by this root.
    """

    def __init__(self, store: Store, root: bytes, lifetimes: Lifetimes = LIFETIMES) -> None:
        self.store = store
        self.root_raw = root
        self.root = parse_root(root)
        self.lifetimes = lifetimes
        self.load()

    def load(self) -> None:
        """Read timestamp, snapshot and targets, which change when something is published."""
        self.timestamp_raw, self.timestamp = self._load(Timestamp, "timestamp.json")
        _, self.snapshot = self._load(Snapshot, f"{self.timestamp.snapshot_meta.version}.snapshot.json")
        version = self.snapshot.meta["targets.json"].version
        self.targets_raw, self.targets = self._load(Targets, f"{version}.targets.json")

    def versions(self) -> list[str]:
        """All published versions, oldest first."""
        return listed_versions(self.targets)

    def targets_of(self, version: str) -> list[PublishedTarget]:
        """Manifest, signature and files of a published update, as they lie in the store."""
        prefix = layout.update_prefix(version)
        return [
            PublishedTarget(layout.target_key(path, target.hashes["sha256"]), target.hashes["sha256"], target.length)
            for path, target in sorted(self.targets.targets.items())
            if path.startswith(prefix)
        ]

    def metadata(self) -> tuple[dict[str, bytes], datetime]:
        """The metadata files that belong together, by name, and until when gateways trust them.

        Raises:
            ConflictError: something was published at this moment.
            StoreError: the store cannot be read.
        """
        snapshot, targets = f"{self.snapshot.version}.snapshot.json", f"{self.targets.version}.targets.json"
        roots = [f"{version}.root.json" for version in range(1, self.root.version + 1)]
        read = {name: self.store.get(layout.METADATA + name) for name in (*roots, "timestamp.json", snapshot, targets)}
        timestamp = Metadata[Timestamp].from_bytes(read["timestamp.json"]).signed
        if timestamp.version != self.timestamp.version:
            raise ConflictError("something was published at this moment", hint="run the command again")
        expiries = [Metadata.from_bytes(data).signed.expires for name, data in read.items() if name not in roots]
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

    def _load(self, kind: type[S], name: str) -> tuple[bytes, S]:
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
        return raw, envelope.signed

    def _target(self, path: str) -> bytes:
        target = self.targets.targets.get(path)
        if target is None:
            raise NotFoundError(f"the repository {self.store.url} has no {path}")
        sha256 = target.hashes["sha256"]
        return check_integrity(self.store.get(layout.target_key(path, sha256)), sha256, target.length, path)
