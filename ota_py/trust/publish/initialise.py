"""The first state of a repository: a root, an empty list of updates, and its freshness."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from ota_py.errors import ConflictError, StoreError
from ota_py.trust import layout
from ota_py.trust.documents.metadata import (
    JSON,
    LIFETIMES,
    Lifetimes,
    OnlineSigners,
    meta_of,
    signed,
    snapshot_metadata,
    timestamp_metadata,
)
from ota_py.trust.repository.store import Store
from ota_py.trust.verify import check_keys

# In the order of writing.
NAMES = ("1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json")


def initialise(
    store: Store,
    root_signer: Signer,
    release_key: Key,
    release: Signer,
    online: Signer,
    now: datetime,
    lifetimes: Lifetimes = LIFETIMES,
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
    root = Root(consistent_snapshot=True, expires=lifetimes.until(Root.type, now))
    root.add_key(root_signer.public_key, Root.type)
    root.add_key(release_key, Targets.type)
    for role in (Snapshot.type, Timestamp.type):
        root.add_key(online.public_key, role)
    check_keys(root)
    signed_root = signed(root, root_signer)
    targets = signed(Targets(expires=lifetimes.until(Targets.type, now)), release)
    signers = OnlineSigners.one(online)
    snapshot = snapshot_metadata(1, targets, 1, signers, now, lifetimes)
    timestamp = timestamp_metadata(meta_of(1, snapshot), 1, signers, now, lifetimes)
    try:
        for name, data in zip(NAMES, (signed_root, targets, snapshot, timestamp), strict=True):
            store.put(layout.METADATA + name, data, JSON)
    except BaseException:
        remove_initialised(store)
        raise
    return signed_root


def remove_initialised(store: Store) -> None:
    """Remove what `initialise` made, as far as the store allows it."""
    for name in reversed(NAMES):
        with suppress(StoreError):
            store.delete(layout.METADATA + name)
