"""Holding an update back: whether the gateway's owner allows services to be touched now.

Maintenance windows, a veto file and a veto command are checked after everything is fetched and backed up, and
before the first touch; nothing else waits for them. An update that is held stays open and untouched in the
journal, marked by `held` in its plan, until nothing holds it any more or another update takes its place.

The agent runs the same checks each minute, so nothing is loaded that must not stay in its memory.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ota_py.contract.reports import HeldDetails
from ota_py.contract.transactions import HoldKind
from ota_py.errors import DeadlineError, HeldError, NotFoundError
from ota_py.gateway.config import windows
from ota_py.gateway.system import process
from ota_py.gateway.system.clock import stamp

if TYPE_CHECKING:
    from ota_py.gateway.journal.journal import Journal
    from ota_py.gateway.journal.transaction import Transaction

REASON_MAX_CHARS = 200
HINT = "it goes on by itself as soon as nothing holds it; at once by `ota_client.py update --held --now`"


class Maintenance(Protocol):
    """The section `[maintenance]`, as the configuration and the agent's settings have it."""

    @property
    def windows(self) -> Sequence[str]:
        """The maintenance windows, as `windows.parse` reads them; none: at any time."""

    @property
    def veto_file(self) -> Path | None:
        """A file that holds updates while it exists."""

    @property
    def veto_command(self) -> Sequence[str]:
        """A command that holds updates unless it ends with exit status 0."""

    @property
    def veto_seconds(self) -> float:
        """How long the veto command may take."""

    @property
    def critical_overrides(self) -> str:
        """The holds that a critical update does not wait for: `nothing`, `window` or `all`."""


@dataclass(frozen=True)
class Hold:
    """A hold: the cause for which an update waits.

    Attributes:
        kind: window, veto, hook, or fetch: an image was lost while the update waited.
        reason: for people.
    """

    kind: HoldKind
    reason: str

    def error(self) -> HeldError:
        """The hold as the error that ends the process."""
        return HeldError(self.reason, hint=HINT, kind=self.kind)


def look(maintenance: Maintenance, critical: bool) -> Hold | None:
    """The hold on an update now, or None. Runs the veto command.

    Args:
        critical: whether the update is critical; `critical_overrides` states what it does not wait for.
    """
    return glance(maintenance, critical) or ask(maintenance, critical)


def glance(maintenance: Maintenance, critical: bool, now: datetime | None = None) -> Hold | None:
    """The hold on an update now by windows and veto file alone: cheap enough for every turn of the agent."""
    overrides = maintenance.critical_overrides if critical else "nothing"
    if overrides == "nothing" and not windows.is_open(maintenance.windows, now or _now()):
        return Hold(HoldKind.WINDOW, f"outside the maintenance windows ({'; '.join(maintenance.windows)})")
    if overrides != "all" and maintenance.veto_file is not None:
        return _file_veto(maintenance.veto_file)
    return None


def ask(maintenance: Maintenance, critical: bool) -> Hold | None:
    """The hold by the veto command: exit status 0 is no veto; its first line of output is the reason."""
    command = list(maintenance.veto_command)
    if not command or (critical and maintenance.critical_overrides == "all"):
        return None
    try:
        done = process.run(command, timeout_seconds=maintenance.veto_seconds)
    except (DeadlineError, NotFoundError) as error:
        return Hold(HoldKind.VETO, f"the veto command gave no answer: {error.message}")
    except OSError as error:  # not executable
        return Hold(HoldKind.VETO, f"the veto command {command[0]} cannot run: {error.strerror}")
    if done.status == 0:
        return None
    said = (done.stdout.strip() or done.stderr.strip()).decode(errors="replace").splitlines()
    why = "".join(c for c in said[0] if c.isprintable())[:REASON_MAX_CHARS] if said else ""
    return Hold(HoldKind.VETO, f"vetoed: {why or f'{command[0]} ended with exit status {done.status}'}")


def next_window(maintenance: Maintenance) -> str | None:
    """When the next maintenance window opens, RFC 3339 in local time; None where one is open or none is set."""
    start = windows.next_start(maintenance.windows, _now())
    return start.isoformat(timespec="minutes") if start else None


def is_held(transaction: Transaction) -> bool:
    """Whether a transaction is open, untouched and held."""
    return transaction.is_open and not transaction.touched and bool(transaction.plan.get("held"))


def keep(
    journal: Journal, transaction: Transaction, error: HeldError, maintenance: Maintenance, critical: bool
) -> Transaction:
    """Record that an untouched transaction is held; each reason is reported once, not at each try.

    The step under way, if any, is taken back: it was not allowed to begin.
    """
    known: dict[str, Any] = transaction.plan.get("held") or {}
    held = {
        "kind": str(error.details.get("kind", HoldKind.HOOK)),
        "reason": error.message,
        "since": known.get("since") or stamp(),
        "critical": critical,
    }
    tells = known.get("reason") != error.message
    details: HeldDetails = {"kind": str(held["kind"]), "next_window": next_window(maintenance)}
    return journal.hold(transaction, held, details if tells else None)


def forget_reason(journal: Journal, transaction: Transaction) -> Transaction:
    """Forget the recorded reason of a hold, so that it is reported once more."""
    return journal.note(transaction, held={**transaction.plan["held"], "reason": ""})


def _file_veto(path: Path) -> Hold | None:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # whether there is a veto is unknown: nothing is touched
        return Hold(HoldKind.VETO, f"the veto file {path} cannot be looked at: {error.strerror}")
    return Hold(HoldKind.VETO, f"the veto file {path} exists")


def _now() -> datetime:
    # The agent runs for months: the machine's zone may have changed since it started.
    time.tzset()
    return datetime.now(UTC)
