"""The control plane's records, as its API shows them: states of gateways, updates and rollouts, and kinds of events."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Delivery(StrEnum):
    """Delivery of updates: who starts a transaction, the controller over SSH or the gateway's agent."""

    PUSH = "push"
    PULL = "pull"


class GatewayState(StrEnum):
    """State of a gateway's engine, by its last report."""

    UNKNOWN = "UNKNOWN"
    IDLE = "IDLE"
    UPDATING = "UPDATING"
    BROKEN = "BROKEN"


class UpdateState(StrEnum):
    """STAGED until its first rollout starts, then RELEASED; WITHDRAWN for good."""

    STAGED = "STAGED"
    RELEASED = "RELEASED"
    WITHDRAWN = "WITHDRAWN"


class RolloutState(StrEnum):
    """Where a rollout is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    ABORTED = "ABORTED"


# A rollout in one of these has its gateways: no other may have them.
ACTIVE_ROLLOUTS: Final = frozenset({RolloutState.PENDING, RolloutState.RUNNING, RolloutState.PAUSED})


class GatewayResult(StrEnum):
    """Where one gateway is in a rollout."""

    PENDING = "PENDING"
    ASSIGNED = "ASSIGNED"
    UPDATING = "UPDATING"
    SUCCEEDED = "SUCCEEDED"
    ROLLED_BACK = "ROLLED_BACK"
    FAILED = "FAILED"
    DEFERRED = "DEFERRED"
    SKIPPED = "SKIPPED"


class Verdict(StrEnum):
    """Verdict of the gate between two batches."""

    WAIT = "WAIT"
    GO = "GO"
    STOP = "STOP"


class ActKind(StrEnum):
    """Kinds of events that are acts of the control plane itself, not reports of gateways."""

    GATEWAY = "gateway"
    UPDATE = "update"
    ROLLOUT = "rollout"
    DEFERRED = "deferred"
    HINT_FAILED = "hint_failed"


class FreshnessState(StrEnum):
    """How long what one kind of key signed still holds."""

    FRESH = "fresh"
    EXPIRING = "expiring"
    """A person should act."""
    EXPIRED = "expired"
    """Gateways refuse new updates."""


class TokenRole(StrEnum):
    """Role of a token, which permits everything, to read everything, or one gateway's own paths."""

    OPERATOR = "operator"
    READER = "reader"
    GATEWAY = "gateway"


class TokenState(StrEnum):
    """Whether a token counts."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
