"""How long the metadata of a repository still holds, and who must do what before it ends. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from ota_py.trust.repository import Repository
from ota_py.trust.root_change import role_keys

FRESH, EXPIRING, EXPIRED = "fresh", "expiring", "expired"
ID_LENGTH = 16


@dataclass(frozen=True)
class Freshness:
    """What one kind of key signed.

    Attributes:
        role: `root`, `release` or `online`.
        expires: until when gateways take it.
        state: `fresh`, `expiring` (a person should act) or `expired` (gateways refuse new updates).
        to_do: who must run what, always given.
        versions: of what it signed, by TUF role.
        days_left: whole days, 0 from the last one on.
    """

    role: str
    expires: datetime
    state: str
    to_do: str
    versions: dict[str, int]
    days_left: int


def assess(repository: Repository, now: datetime, warn_percent: int) -> list[Freshness]:
    """How fresh a repository is, by kind of key.

    Args:
        now: with time zone.
        warn_percent: a role is `expiring` when so much of its lifetime, or less, is left.
    """
    signed: dict[str, list[Root | Targets | Snapshot | Timestamp]] = {
        "root": [repository.root],
        "release": [repository.targets],
        "online": [repository.snapshot, repository.timestamp],
    }
    return [_assess(repository, role, found, now, warn_percent) for role, found in signed.items()]


def _assess(
    repository: Repository,
    role: str,
    signed: Sequence[Root | Targets | Snapshot | Timestamp],
    now: datetime,
    warn_percent: int,
) -> Freshness:
    expires = min(each.expires for each in signed)
    left = expires - now
    return Freshness(
        role,
        expires,
        _state(left, repository.lifetimes.of(signed[0].type) * (warn_percent / 100)),
        _to_do(repository, role),
        {each.type: each.version for each in signed},
        max(left.days, 0),
    )


def _state(left: timedelta, warned: timedelta) -> str:
    if left <= timedelta(0):
        return EXPIRED
    return EXPIRING if left <= warned else FRESH


def _to_do(repository: Repository, role: str) -> str:
    named = role_keys(repository.root, role)
    keys = ", ".join(key[:ID_LENGTH] for key in named.ids)
    if role == "online":
        return f"on the machine with the online key ({keys}): ota_manager.py renew"
    command = "keys renew" if role == "root" else "renew --release"
    who = "the holder of a" if named.threshold == 1 else f"{named.threshold} holders of a"
    return f"{who} {role} key ({keys}): ota_manager.py {command}"
