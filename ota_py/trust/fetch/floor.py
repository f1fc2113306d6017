"""The floor: the highest metadata versions that a gateway has seen, below which it never goes.

python-tuf's cache has them, too, but it is not fsynced and may be emptied. Versions are remembered by the key
that signed them. So a thief who set them to the highest number (a fast-forward attack) binds nobody any more
once root names another key (TUF specification, 5.3.11), and only then: while the key counts, so does what it
signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tuf.api.metadata import Metadata, Root

from ota_py.errors import FreshnessError
from ota_py.trust.verify import METADATA_VERSION_MAX


class Floor(Protocol):
    """Storage of the highest versions seen, which a power cut must not lose.

    Names are `root`, those such as `timestamp:KEYID` for other roles, and `time` for the last good hour since
    the epoch.
    """

    def get(self, role: str) -> int:
        """The highest version of `role` seen, or 0."""

    def raise_to(self, role: str, version: int) -> None:
        """Record that `version` of `role` was seen; never lowers what is stored."""


def check_floor(floor: Floor, root: Root, accepted: Mapping[str, bytes]) -> None:
    """Compare accepted metadata with the versions seen before, then record its own.

    Args:
        root: the newest trusted one.
        accepted: the bytes of the other roles, as python-tuf accepted them.

    Raises:
        FreshnessError: a version is lower than one seen, or so high that no honest operator made it.
    """
    seen = {Root.type: root.version}
    for role, raw in accepted.items():
        envelope: Metadata[Any] = Metadata.from_bytes(raw)
        result = root.get_verification_result(role, envelope.signed_bytes, envelope.signatures)
        seen |= {f"{role}:{keyid}": envelope.signed.version for keyid in result.signed}
    for name, version in seen.items():
        _check(floor, name, version)
    for name, version in seen.items():
        floor.raise_to(name, version)


def check_root(floor: Floor, root: Root) -> None:
    """Refuse a root older than one seen: with the cache gone, a revoked key would count again.

    Raises:
        FreshnessError: it is.
    """
    if root.version < (expected := floor.get(Root.type)):
        raise FreshnessError(
            f"root metadata is version {root.version}, expected at least {expected}",
            hint="later versions were lost here: let the gateway reach the repository, or use a bundle",
        )


def _check(floor: Floor, name: str, got: int) -> None:
    role, expected = name.partition(":")[0], floor.get(name)
    if got < expected:
        raise FreshnessError(
            f"{role} metadata is version {got}, expected at least {expected}",
            hint="the repository or a carrier serves an older state than this gateway has seen",
        )
    if got > METADATA_VERSION_MAX:
        raise FreshnessError(
            f"{role} metadata is version {got}, expected at most {METADATA_VERSION_MAX}",
            hint="somebody else seems to have that key; the operator replaces it by `keys rotate`",
        )
