"""Freshness of a repository's metadata: until when it is valid, and who must renew it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from ota_py.contract.fleet import FreshnessState
from ota_py.trust.documents.metadata import ID_LENGTH
from ota_py.trust.documents.root_change import ONLINE, role_keys
from ota_py.trust.repository.repository import Repository


@dataclass(frozen=True)
class Freshness:
    """Freshness of one role's metadata.

    Attributes:
        role: one of `KEY_ROLES`.
        version: of its metadata.
        expires: until when gateways take it.
        days_left: whole days, 0 from the last one on.
        state: how far from its end that is.
        to_do: who must run what, always given.
    """

    role: str
    version: int
    expires: datetime
    days_left: int
    state: FreshnessState
    to_do: str


def assess(repository: Repository, now: datetime, warn_percent: int) -> list[Freshness]:
    """The freshness of a repository's metadata, by role.

    Args:
        now: with time zone.
        warn_percent: a role is `expiring` when so much of its lifetime, or less, is left.
    """
    signed: dict[str, Root | Targets | Snapshot | Timestamp] = {
        "root": repository.root,
        "release": repository.targets,
        "snapshot": repository.snapshot,
        "timestamp": repository.timestamp,
    }
    found = []
    for role, content in signed.items():
        left = content.expires - now
        state = _state(left, repository.lifetimes.of(content.type) * (warn_percent / 100))
        to_do = _to_do(repository, role)
        found.append(Freshness(role, content.version, content.expires, max(left.days, 0), state, to_do))
    return found


def _state(left: timedelta, warned: timedelta) -> FreshnessState:
    if left <= timedelta(0):
        return FreshnessState.EXPIRED
    return FreshnessState.EXPIRING if left <= warned else FreshnessState.FRESH


def _to_do(repository: Repository, role: str) -> str:
    named = role_keys(repository.root, role)
    keys = ", ".join(key[:ID_LENGTH] for key in named.ids)
    if role in ONLINE:
        return f"on the machine with the {role} key ({keys}): ota_manager.py renew"
    command = "keys renew" if role == "root" else "renew --release"
    who = "the holder of a" if named.threshold == 1 else f"{named.threshold} holders of a"
    return f"{who} {role} key ({keys}): ota_manager.py {command}"
