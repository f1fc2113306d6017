"""How long the metadata of a repository still holds, and who must do what before it ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tuf.api.metadata import Root, Targets, Timestamp

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
    """

    role: str
    expires: datetime
    state: str
    to_do: str


def assess(repository: Repository, now: datetime, warn_percent: int) -> list[Freshness]:
    """How fresh a repository is, by kind of key.

    Args:
        now: with time zone.
        warn_percent: a role is `expiring` when so much of its lifetime, or less, is left.
    """
    expiries = {
        "root": (Root.type, repository.root.expires),
        "release": (Targets.type, repository.targets.expires),
        "online": (Timestamp.type, min(repository.timestamp.expires, repository.snapshot.expires)),
    }
    return [
        Freshness(
            role,
            expires,
            _state(expires - now, repository.lifetimes.of(metadata) * (warn_percent / 100)),
            _to_do(repository, role),
        )
        for role, (metadata, expires) in expiries.items()
    ]


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
