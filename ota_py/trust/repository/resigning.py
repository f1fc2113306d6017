"""Manifests and lists of updates to be signed anew, because a change of root made their signatures void."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from datetime import datetime
from typing import TypeVar

from tuf.api.exceptions import RepositoryError as TufRepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets
from tuf.api.serialization import DeserializationError

from ota_py import names
from ota_py.errors import SignatureError, TrustError
from ota_py.trust import layout
from ota_py.trust.documents.metadata import LIFETIMES, Lifetimes
from ota_py.trust.documents.signing_request import SignedDocument
from ota_py.trust.repository.metadata_versions import free_version, versions_there
from ota_py.trust.repository.store import Store
from ota_py.trust.verify import (
    check_integrity,
    parse_signature_file,
    verify_manifest,
)

S = TypeVar("S", Snapshot, Targets)


def newest_list(store: Store, root: Root) -> tuple[Targets, bytes]:
    """The newest list of updates in the store that the release keys of `root` signed, and its bytes.

    Not the one that timestamp leads to: a thief of the online key may have led back to an older one.

    Raises:
        TrustError: there is none.
        StoreError: the store cannot be read.
    """
    if found := newest_signed(store, root, Targets):
        return found
    raise TrustError(
        f"{store.url} has no list of updates that the release keys of root version {root.version} signed",
        hint="is this the right store? restore its metadata/ from a backup",
    )


def newest_signed(store: Store, root: Root, kind: type[S]) -> tuple[S, bytes] | None:
    """The newest metadata of a role in the store that its keys in `root` signed, and its bytes.

    Raises:
        StoreError: the store cannot be read.
    """
    for version in sorted(versions_there(store, kind.type), reverse=True):
        raw = store.get(f"{layout.METADATA}{version}.{kind.type}.json")
        try:
            envelope = Metadata[S].from_bytes(raw)
            root.verify_delegate(kind.type, envelope.signed_bytes, envelope.signatures)
        except (DeserializationError, TufRepositoryError, ValueError):
            continue  # a stranger's file, or one of keys that are gone
        if isinstance(envelope.signed, kind) and envelope.signed.version == version:
            return envelope.signed, raw
    return None


def listed_versions(targets: Targets) -> list[str]:
    """The versions in a list of updates, oldest first."""
    found = [str(target.custom["version"]) for target in targets.targets.values() if target.custom]
    return sorted(found, key=names.parse_version)


def counts(targets: Targets, raw: bytes, root: Root) -> bool:
    """Whether enough of the release keys of `root` signed a list of updates."""
    envelope = Metadata[Targets].from_bytes(raw)
    return bool(root.get_verification_result(Targets.type, envelope.signed_bytes, envelope.signatures))


def uncounted(store: Store, targets: Targets, root: Root) -> list[str]:
    """The updates whose manifest too few of the release keys of `root` signed, oldest first.

    Raises:
        StoreError, NotFoundError: a manifest cannot be read.
    """
    found = []
    for version in listed_versions(targets):
        try:
            verify_manifest(
                _read(store, targets, layout.manifest_path(version)),
                _read(store, targets, layout.signature_path(version)),
                root,
            )
        except SignatureError:
            found.append(version)
    return found


def documents_to_sign(
    store: Store,
    targets: Targets,
    again: Collection[str],
    take_off: Collection[str],
    now: datetime,
    lifetimes: Lifetimes = LIFETIMES,
) -> list[SignedDocument]:
    """Manifests that are to be signed anew, and the list of updates without those to be taken off it.

    Args:
        again, take_off: versions.
        now: with time zone; the list's expiry counts from here.
    """
    changed = deepcopy(targets)
    for version in take_off:
        prefix = layout.update_prefix(version)
        for path in [path for path in changed.targets if path.startswith(prefix)]:
            del changed.targets[path]
    changed.version = free_version(store, Targets.type, targets.version)
    changed.expires = lifetimes.until(Targets.type, now)
    return [
        *(_manifest(store, targets, version) for version in again),
        SignedDocument(f"{changed.version}.targets.json", "targets", Metadata(changed).signed_bytes),
    ]


def _manifest(store: Store, targets: Targets, version: str) -> SignedDocument:
    """A manifest with the signatures that it has: of several keys, some may still count."""
    path = layout.manifest_path(version)
    signatures = parse_signature_file(_read(store, targets, layout.signature_path(version)))
    return SignedDocument(
        path,
        "targets",
        _read(store, targets, path),
        {keyid: each.signature for keyid, each in signatures.items()},
    )


def _read(store: Store, targets: Targets, path: str) -> bytes:
    target = targets.targets[path]
    sha256 = target.hashes["sha256"]
    return check_integrity(store.get(layout.target_key(path, sha256)), sha256, target.length, path)
