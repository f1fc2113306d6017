"""The chain of roots: from a known root.json to the newest one of a repository, as gateways follow it."""

from __future__ import annotations

from tuf.api.exceptions import RepositoryError as TufRepositoryError
from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError

from ota_py.errors import NotFoundError, TrustError
from ota_py.trust import layout
from ota_py.trust.repository.store import Store
from ota_py.trust.verify import check_keys, parse_root


def newest_root(store: Store, root: bytes) -> bytes:
    """The newest root.json that follows from `root`.

    Raises:
        TrustError: a later version in the store is not signed by the one before and by itself.
        StoreError: the store cannot be read.
    """
    current, envelope = parse_root(root), root
    while True:
        name = f"{current.version + 1}.root.json"
        try:
            raw = store.get(layout.METADATA + name)
        except NotFoundError:
            return envelope
        current, envelope = following_root(current, raw, f"{store.url}: {name}"), raw


def following_root(before: Root, raw: bytes, what: str) -> Root:
    """The root in `raw`, verified as the next version after `before`.

    Raises:
        TrustError: it is not, or not signed by both thresholds.
    """
    try:
        envelope = Metadata[Root].from_bytes(raw)
        after = envelope.signed
        if not isinstance(after, Root) or after.version != before.version + 1:
            raise TrustError(f"{what} is not version {before.version + 1} of root")
        for judge in (before, after):
            judge.verify_delegate(Root.type, envelope.signed_bytes, envelope.signatures)
    except (DeserializationError, TufRepositoryError, ValueError) as error:
        raise TrustError(
            f"{what} is not signed as the root before it demands: {error}",
            hint="nothing was changed; somebody may have tampered with the store",
        ) from None
    check_keys(after)
    return after
