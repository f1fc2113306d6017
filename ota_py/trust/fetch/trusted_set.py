"""python-tuf's trusted metadata: the only module that reads inside its client.

`tuf.ngclient.Updater` shows neither root nor the lists of targets, and cannot be told the time. Another
version of python-tuf that keeps them elsewhere must stop this software, not make it check less: each access
is checked.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from tuf.api.metadata import Delegations, Root, Snapshot, Targets
from tuf.ngclient import Updater

from ota_py.errors import TrustError

R = TypeVar("R", Root, Snapshot, Targets)


def set_time(updater: Updater, now: datetime) -> None:
    """Judge expiry by `now` instead of the system clock.

    Raises:
        TrustError: this version of python-tuf is not the one that this software was made for.
    """
    trusted = _trusted_set(updater)
    if not isinstance(getattr(trusted, "reference_time", None), datetime):
        raise _unfit("reference_time")
    trusted.reference_time = now


def root(updater: Updater) -> Root:
    """The newest trusted root; see `set_time` for errors."""
    return _role(updater, "root", Root)


def snapshot(updater: Updater) -> Snapshot:
    """The trusted snapshot, after a refresh; see `set_time` for errors."""
    return _role(updater, "snapshot", Snapshot)


def targets(updater: Updater) -> Targets:
    """The trusted top-level targets, after a refresh; see `set_time` for errors."""
    return _role(updater, "targets", Targets)


def delegations(updater: Updater) -> list[Delegations]:
    """The delegations of all targets metadata loaded so far; see `set_time` for errors."""
    loaded = [role for role in _trusted_set(updater) if isinstance(role, Targets)]
    if targets(updater) not in loaded:
        raise _unfit("list of roles")
    return [role.delegations for role in loaded if role.delegations]


def _role(updater: Updater, name: str, kind: type[R]) -> R:
    found = getattr(_trusted_set(updater), name, None)
    if not isinstance(found, kind):
        raise _unfit(name)
    return found


def _trusted_set(updater: Updater) -> Any:
    found = getattr(updater, "_trusted_set", None)
    if found is None:
        raise _unfit("_trusted_set")
    return found


def _unfit(name: str) -> TrustError:
    import tuf

    return TrustError(
        f"python-tuf {tuf.__version__} has no {name} where this software looks for it",
        hint="install the version that requirements.txt names; nothing was checked, and nothing is used",
    )
