"""A transaction on a gateway: its states, how it ended, what holds it back."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a transaction is: the last step that is done, not the one under way."""

    RECEIVED = "RECEIVED"
    VERIFIED = "VERIFIED"
    BACKED_UP = "BACKED_UP"
    PULLED = "PULLED"
    STOPPED = "STOPPED"
    APPLIED = "APPLIED"
    STARTED = "STARTED"
    HEALTHY = "HEALTHY"
    COMMITTED = "COMMITTED"
    ROLLING_BACK = "ROLLING_BACK"
    ROLLED_BACK = "ROLLED_BACK"
    FAILED = "FAILED"
    BROKEN = "BROKEN"


class Outcome(StrEnum):
    """How a command of the gateway's engine ended, as its `--json` says."""

    SUCCEEDED = "SUCCEEDED"
    ROLLED_BACK = "ROLLED_BACK"
    FAILED = "FAILED"
    BROKEN = "BROKEN"
    SKIPPED = "SKIPPED"
    """The version runs already, or there was nothing to do."""
    HELD = "HELD"
    """Open and untouched: it waits for a maintenance window, a veto or a hook."""
    UNFINISHED = "UNFINISHED"
    """Open because `--until` said so."""


# The states that end a transaction, and the outcome that each is.
OUTCOMES: Final[Mapping[State, Outcome]] = {
    State.COMMITTED: Outcome.SUCCEEDED,
    State.ROLLED_BACK: Outcome.ROLLED_BACK,
    State.FAILED: Outcome.FAILED,
    State.BROKEN: Outcome.BROKEN,
}

# The error code of an update that gave way, untouched, to something else. No command ends with it.
SUPERSEDED: Final = "superseded"


class HoldKind(StrEnum):
    """Causes for which an update is held back."""

    WINDOW = "window"
    VETO = "veto"
    HOOK = "hook"
    FETCH = "fetch"
    """An image was lost while the update waited."""
