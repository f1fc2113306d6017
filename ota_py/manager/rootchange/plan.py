"""The plan of a change of root: the new root, and the published updates that lose their signatures by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Root

from ota_py.errors import UsageError
from ota_py.trust.documents.metadata import LIFETIMES, Lifetimes
from ota_py.trust.documents.root_change import RoleKeys, next_root, payload_of
from ota_py.trust.documents.signatures import Signing
from ota_py.trust.documents.signing_request import SignedDocument, SigningRequest
from ota_py.trust.repository.resigning import counts, documents_to_sign, newest_list, uncounted
from ota_py.trust.repository.store import Store
from ota_py.trust.verify import parse_root

ALL, NONE = "all", "none"


@dataclass(frozen=True)
class RootChangePlan:
    """A change of root, ready to be signed.

    Attributes:
        signing: the request, and who must sign it.
        again: updates that are signed anew.
        taken_off: updates whose signatures count no more, and which go from the list.
    """

    signing: Signing
    again: list[str]
    taken_off: list[str]


def plan(
    store: Store,
    root: bytes,
    fleet: str,
    changes: Mapping[str, RoleKeys],
    resign: Sequence[str] | None,
    now: datetime,
    lifetimes: Lifetimes = LIFETIMES,
) -> RootChangePlan:
    """Plan a change of root; nothing is changed anywhere.

    Args:
        root: the newest root.json.
        changes: see `next_root`.
        resign: updates to be signed anew, or `all` or `none`; None where it was not given.

    Raises:
        UsageError: updates lose their signatures, and `resign` was not given; or the change makes no sense.
        StoreError: the store cannot be read.
    """
    before = parse_root(root)
    after = next_root(before, changes, lifetimes.until(Root.type, now))
    documents = [SignedDocument(f"{after.version}.root.json", "root", payload_of(after))]
    targets, targets_raw = newest_list(store, before)
    lost = uncounted(store, targets, after)
    again = _chosen(lost, resign)
    taken_off = [version for version in lost if version not in again]
    if lost or not counts(targets, targets_raw, after):
        documents += documents_to_sign(store, targets, again, taken_off, now, lifetimes)
    title = f"root version {after.version} of {fleet}"
    request = SigningRequest("root", title, root, tuple(documents))
    return RootChangePlan(Signing(request), again, taken_off)


def _chosen(lost: Sequence[str], resign: Sequence[str] | None) -> list[str]:
    if not lost:
        return []
    if resign is None:
        raise UsageError(
            f"too few of the keys that remain signed these updates: {', '.join(lost)}",
            hint="--resign VERSION,... signs those anew that are yours; --resign all signs every one; "
            "the others are taken off the list, and no gateway installs them",
        )
    if list(resign) == [ALL]:
        return list(lost)
    if list(resign) == [NONE]:
        return []
    if unknown := sorted(set(resign) - set(lost)):
        raise UsageError(
            f"--resign {', '.join(unknown)}: such an update does not need it",
            hint=f"these lose their signatures: {', '.join(lost)}",
        )
    return [version for version in lost if version in resign]
