"""Publishing a change of root into the store, so that gateways follow it.

The order of writing: what only the new timestamp leads to, then the new root, then timestamp. A gateway that
refreshes between the last two sees a timestamp that the new root may not accept, and keeps what it has until
the next try. When publishing breaks off, the same command run again finishes it.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from tuf.api.exceptions import RepositoryError as TufRepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from ota_py.errors import ConflictError, NotFoundError, SignatureError, TrustError
from ota_py.hashes import sha256_of
from ota_py.trust import layout
from ota_py.trust.documents.metadata import (
    JSON,
    LIFETIMES,
    Lifetimes,
    OnlineSigners,
    meta_of,
    snapshot_metadata,
    timestamp_metadata,
)
from ota_py.trust.documents.root_change import payload_of
from ota_py.trust.documents.signatures import (
    SIGNATURE_SUFFIX,
    Signing,
    list_document,
    manifest_documents,
    root_document,
    signature_bytes,
)
from ota_py.trust.documents.signing_request import SignedDocument, SigningRequest
from ota_py.trust.repository.metadata_versions import free_version
from ota_py.trust.repository.resigning import newest_list, newest_signed
from ota_py.trust.repository.root_chain import newest_root
from ota_py.trust.repository.store import Store
from ota_py.trust.verify import METADATA_VERSION_MAX, parse_root


def root_bytes(signing: Signing) -> bytes:
    """The new root.json of a request that has all its signatures.

    Raises:
        SignatureError: signatures are missing; it names them.
    """
    check_complete(signing)
    document = root_document(signing.request)
    assert document is not None
    key_ids = {keyid for _, result in signing.results(document) for keyid in result.signed}
    return document.envelope_of(key_ids)


def check_complete(signing: Signing) -> None:
    """Check that a request has all signatures that it needs.

    Raises:
        SignatureError: it names those that are missing.
    """
    if missing := signing.missing():
        raise SignatureError(
            "; ".join(f"{each.document} needs {each.count} more of the {each.whose}" for each in missing),
            hint="pass the file on to the others; each runs `ota_manager.py sign FILE`",
        )


def to_sign_online(store: Store, signing: Signing) -> list[str]:
    """The roles among snapshot and timestamp that must be signed anew.

    Raises:
        TrustError: there is no list of updates that the release keys signed.
        StoreError: the store cannot be read.
    """
    both = [Snapshot.type, Timestamp.type]
    if list_document(signing.request):
        return both
    if timestamp := _timestamp(store, signing.after):
        return both if _snapshot_is_foreign(store, timestamp, signing.after) else []
    return [Timestamp.type] if _snapshot_that_stays(store, signing.after) else both


def publish_root(
    store: Store,
    request: SigningRequest,
    online: OnlineSigners,
    now: datetime,
    lifetimes: Lifetimes = LIFETIMES,
) -> bytes:
    """Put the new root of a request into the store, and what must change with it; returns the new root.json.

    Args:
        online: keys of the new root, as far as `to_sign_online` requires them.
        now: with time zone.

    Raises:
        SignatureError: signatures are missing.
        ConflictError: something else was published since the request was made.
        KeyFileError: too few of the online keys are here, or one refused.
        StoreError: the store failed; run it again.
    """
    signing = Signing(request)
    raw = root_bytes(signing)
    _check_next(store, signing)
    wanted = to_sign_online(store, signing)
    online.require(signing.after, *wanted)
    before = _read(store, layout.TIMESTAMP)
    timestamp = _write_contents(store, signing, wanted, online, now, lifetimes) if wanted else None
    _put_once(store, f"{signing.after.version}.root.json", raw)
    if timestamp is not None and before is None:
        store.put(layout.TIMESTAMP, timestamp, JSON)
    elif timestamp is not None and before is not None:
        _replace_timestamp(store, timestamp, before)
    return raw


def _replace_timestamp(store: Store, timestamp: bytes, before: bytes) -> None:
    try:
        store.replace(layout.TIMESTAMP, timestamp, JSON, before)
    except ConflictError:
        raise ConflictError(
            "somebody else published at the same moment; nothing of theirs was changed",
            hint="run `ota_manager.py publish FILE` or the same command again",
        ) from None


def _read(store: Store, key: str) -> bytes | None:
    try:
        return store.get(key)
    except NotFoundError:
        return None


def _write_contents(
    store: Store,
    signing: Signing,
    wanted: Collection[str],
    online: OnlineSigners,
    now: datetime,
    lifetimes: Lifetimes,
) -> bytes:
    """Write what the new timestamp leads to; returns the new timestamp."""
    if document := list_document(signing.request):
        targets, targets_raw = document.parsed(Targets), document.envelope(signing.after)
        for manifest in manifest_documents(signing.request):
            _put_signature(store, manifest, signing.after)
        _put_once(store, document.name, targets_raw)
        targets_raw = store.get(layout.METADATA + document.name)
    else:
        targets, targets_raw = newest_list(store, signing.after)
    now_there = _timestamp(store, signing.after) or _timestamp(store, signing.before)
    # Going on from the version that is there suits every gateway. A thief who had the key may have set it to
    # the highest: then it begins anew, which gateways accept of a new key (TUF specification, 5.3.11).
    version = now_there.version + 1 if now_there else 1
    if version > METADATA_VERSION_MAX:
        version = 1
    if Snapshot.type in wanted:
        above = now_there.snapshot_meta.version if now_there else 0
        number = free_version(store, Snapshot.type, above)
        snapshot = snapshot_metadata(targets.version, targets_raw, number, online, now, lifetimes)
        store.put(f"{layout.METADATA}{number}.snapshot.json", snapshot, JSON)
        meta = meta_of(number, snapshot)
    else:
        kept = _snapshot_that_stays(store, signing.after)
        assert kept is not None  # `to_sign_online` found it
        meta = kept
    return timestamp_metadata(meta, version, online, now, lifetimes)


def _snapshot_that_stays(store: Store, root: Root) -> MetaFile | None:
    """The newest snapshot that the keys of `root` signed, if it leads to the newest list of updates."""
    found = newest_signed(store, root, Snapshot)
    if found is None:
        return None
    snapshot, raw = found
    targets, _ = newest_list(store, root)
    leads = snapshot.meta["targets.json"].version == targets.version
    return meta_of(snapshot.version, raw) if leads else None


def _check_next(store: Store, signing: Signing) -> None:
    """Check that nothing was published since the request was made but what it holds itself.

    Raises:
        ConflictError: something else was published.
    """
    there = parse_root(newest_root(store, signing.request.root))
    if payload_of(there) not in (payload_of(signing.before), payload_of(signing.after)):
        raise ConflictError(
            f"root is at version {there.version} in {store.url}, and this change was made for version "
            f"{signing.before.version}",
            hint="somebody else changed the keys meanwhile: make this change again",
        )
    document = list_document(signing.request)
    if document is None:
        return
    for root in (signing.before, signing.after):
        with suppress(TrustError):  # the new keys may have signed no list yet
            newest, _ = newest_list(store, root)
            same = Metadata(newest).signed_bytes == document.payload
            if newest.version >= document.parsed(Targets).version and not same:
                raise ConflictError(
                    "an update was published since this change was prepared",
                    hint="make the change again, so that it knows that update",
                )


def _put_once(store: Store, name: str, raw: bytes) -> None:
    """Write metadata that never changes; an earlier try may have written it, with other signatures.

    Raises:
        ConflictError: something else has that name.
    """
    try:
        there = store.get(layout.METADATA + name)
    except NotFoundError:
        store.put(layout.METADATA + name, raw, JSON)
        return
    try:
        same = Metadata.from_bytes(there).signed_bytes == Metadata.from_bytes(raw).signed_bytes
    except DeserializationError:
        same = False
    if not same:
        raise ConflictError(
            f"{store.url} has another {name} already",
            hint="somebody published meanwhile, or put it there: look at it, then make this change again",
        )


def _put_signature(store: Store, manifest: SignedDocument, root: Root) -> None:
    data = signature_bytes(manifest, root)
    path = manifest.name + SIGNATURE_SUFFIX
    store.put(layout.target_key(path, sha256_of(data)), data, JSON)


def _timestamp(store: Store, root: Root) -> Timestamp | None:
    """The timestamp in the store, if the keys of `root` signed it."""
    try:
        envelope = Metadata[Timestamp].from_bytes(store.get(layout.TIMESTAMP))
        root.verify_delegate(Timestamp.type, envelope.signed_bytes, envelope.signatures)
    except (NotFoundError, DeserializationError, TufRepositoryError, ValueError):
        return None
    return envelope.signed if isinstance(envelope.signed, Timestamp) else None


def _snapshot_is_foreign(store: Store, timestamp: Timestamp, root: Root) -> bool:
    try:
        raw = store.get(f"{layout.METADATA}{timestamp.snapshot_meta.version}.snapshot.json")
        envelope = Metadata[Snapshot].from_bytes(raw)
        root.verify_delegate(Snapshot.type, envelope.signed_bytes, envelope.signatures)
    except (NotFoundError, DeserializationError, TufRepositoryError, ValueError):
        return True
    return False
