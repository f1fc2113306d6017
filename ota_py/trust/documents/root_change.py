"""The next root.json: which keys count from now on. Pure: a root, keys and a time in; a root out.

A version of root counts when the threshold of the version before it and its own threshold signed it (TUF
specification, section 5.3), so gateways follow from any version to the newest, one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from ota_py.errors import ConflictError, NotFoundError, UsageError
from ota_py.trust.key_identity import Identity, identity_of
from ota_py.trust.verify import SIGNATURES_MAX, check_keys

# The roles as commands and messages name them, and their names in TUF.
KEY_ROLES: Mapping[str, str] = {
    "root": Root.type,
    "release": Targets.type,
    "snapshot": Snapshot.type,
    "timestamp": Timestamp.type,
}
# Signed by machines, without a person. They may have one key: where one machine signs both, keys of their own
# would lie side by side.
ONLINE = ("snapshot", "timestamp")


@dataclass(frozen=True)
class RoleKeys:
    """The keys of one of `KEY_ROLES`, and how many of them must sign."""

    keys: tuple[Key, ...]
    threshold: int

    @property
    def ids(self) -> list[str]:
        """The key ids, sorted."""
        return sorted(key.keyid for key in self.keys)


@dataclass(frozen=True)
class RoleChange:
    """The change of one of `KEY_ROLES`; keys by id, thresholds before and after."""

    role: str
    removed: list[str]
    added: list[str]
    kept: list[str]
    thresholds: tuple[int, int]


def role_keys(root: Root, role: str) -> RoleKeys:
    """The keys that `root` names for one of `KEY_ROLES`."""
    named = root.roles[KEY_ROLES[role]]
    return RoleKeys(tuple(root.keys[keyid] for keyid in named.keyids), named.threshold)


def next_root(before: Root, changes: Mapping[str, RoleKeys], expires: datetime) -> Root:
    """The version of root after `before`.

    Args:
        changes: by role; none: the same keys, signed anew.
        expires: with time zone.

    Raises:
        UsageError: a threshold that the keys cannot reach, or that makes no sense.
        ConflictError: one key in two roles.
        TrustError: a key is too weak.
    """
    after = deepcopy(before)
    after.version += 1
    after.expires = expires.replace(microsecond=0)
    for role, wanted in changes.items():
        _check_threshold(role, wanted)
        name = KEY_ROLES[role]
        for keyid in list(after.roles[name].keyids):
            after.revoke_key(keyid, name)
        for key in wanted.keys:
            after.add_key(key, name)
        after.roles[name].threshold = wanted.threshold
    _check_apart(after)
    check_keys(after)
    return after


def payload_of(root: Root) -> bytes:
    """The bytes of a root that its keys sign."""
    return Metadata(root).signed_bytes


def with_key(now: RoleKeys, key: Key, threshold: int | None) -> RoleKeys:
    """A role's keys and one more.

    Raises:
        ConflictError: the role has the key already.
    """
    if identity_of(key) in {identity_of(each) for each in now.keys}:
        raise ConflictError(f"the key {key.keyid[:16]} is there already")
    return RoleKeys((*now.keys, key), threshold or now.threshold)


def without_key(now: RoleKeys, keyid: str, threshold: int | None) -> RoleKeys:
    """A role's keys without one."""
    return RoleKeys(tuple(key for key in now.keys if key.keyid != keyid), threshold or now.threshold)


def find_key(now: RoleKeys, role: str, beginning: str) -> Key:
    """The key of a role whose id begins with `beginning`.

    Raises:
        NotFoundError: none does, or more than one.
    """
    found = [key for key in now.keys if key.keyid.startswith(beginning.lower())]
    if len(found) != 1:
        raise NotFoundError(
            f"{'no' if not found else 'more than one'} {role} key has an id that begins with {beginning}",
            hint=f"the {role} keys: {', '.join(keyid[:16] for keyid in now.ids)}",
        )
    return found[0]


def differences(before: Root, after: Root) -> list[RoleChange]:
    """The changes from one root to another, by role; unchanged roles are left out."""
    found = []
    for role in KEY_ROLES:
        old, new = role_keys(before, role), role_keys(after, role)
        if old.ids != new.ids or old.threshold != new.threshold:
            found.append(
                RoleChange(
                    role,
                    removed=sorted(set(old.ids) - set(new.ids)),
                    added=sorted(set(new.ids) - set(old.ids)),
                    kept=sorted(set(old.ids) & set(new.ids)),
                    thresholds=(old.threshold, new.threshold),
                )
            )
    return found


def _check_threshold(role: str, wanted: RoleKeys) -> None:
    if not wanted.keys or not 1 <= wanted.threshold <= len(wanted.keys):
        raise UsageError(
            f"{wanted.threshold} of {len(wanted.keys)} {role} keys cannot sign",
            hint="give a key to put in its place with --to, or another --threshold",
        )
    if len(wanted.keys) > SIGNATURES_MAX:
        raise UsageError(f"{len(wanted.keys)} {role} keys are too many, the limit is {SIGNATURES_MAX}")


def _check_apart(root: Root) -> None:
    roles: dict[Identity, str] = {}
    for role in KEY_ROLES:
        for key in role_keys(root, role).keys:
            other = roles.get(identity_of(key))
            if other and not {role, other} <= set(ONLINE):
                raise ConflictError(
                    f"the key {key.keyid[:16]} would be {other} and {role} key at once",
                    hint="one stolen key must not count twice: make a key of its own with `keys init`",
                )
            roles[identity_of(key)] = role
