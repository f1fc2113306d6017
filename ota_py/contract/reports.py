"""Reports: what a gateway says of itself, and the control plane records."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, NotRequired, TypedDict


class ReportKind(StrEnum):
    """Kinds of a gateway's reports, by their subject."""

    TRANSITION = "transition"
    """A transaction reached a state."""
    SKIPPED = "skipped"
    """The version runs already."""
    HELD = "held"
    """An update waits, and why."""
    STATUS = "status"
    """What the gateway is and runs."""
    ALARM = "alarm"
    """A person must look; a transaction that is BROKEN is reported so."""


class ReportBody(TypedDict):
    """A report as it is stored in the gateway's outbox; the queue adds `seq`."""

    id: str
    """UUID; the report is counted once by it, however often it is delivered."""
    at: str
    """RFC 3339 in UTC with milliseconds, by the gateway's clock."""
    kind: ReportKind
    gateway: str
    """Id of the gateway that it is about."""
    transaction: str | None
    """UUID of the transaction; None where there was none."""
    rollout: int | None
    """Number of the rollout that asked for the update, from 1; None for none."""
    version: str
    """What the update leads to, or what a rollback leaves; without a transaction what is installed."""
    from_version: str
    """What ran before it."""
    state: str
    """A `State`, or empty where there is no transaction. Newer gateways may have others: they are recorded."""
    reason: str
    """For people; empty for none."""
    details: Mapping[str, Any]
    """`EndDetails`, `HeldDetails`, `StatusDetails`, or an alarm's own; may be empty."""


class Report(ReportBody):
    """A report as it is delivered."""

    seq: int
    """Counts up for ever on its gateway; 0 where the controller reports in place of a silent gateway."""


class ReportedError(TypedDict):
    """Why a transaction ended as it did, where its code matters to a rollout."""

    code: str
    """`code` of a class of `ota_py.errors`, or `ota_py.contract.transactions.SUPERSEDED`."""
    source: NotRequired[Literal["controller"]]
    """Given where the controller reports in place of a silent gateway."""


class EndDetails(TypedDict, total=False):
    """Details of a transaction's last report."""

    digests: dict[str, str | None]
    """Registry digest by service; None for an image that came from no registry."""
    agent_version: str
    seconds: float
    """Since the transaction was opened."""
    downtime_seconds: float | None
    """How long changed services were down; None: not known."""
    hooks: list[dict[str, Any]]
    """How each hook went: `at`, `hook`, `status`, `seconds`, `output`."""
    failing_service: str
    log_tail: list[str]
    """The last lines of its log, or of a hook's output."""
    databases: Literal["untouched", "kept", "restored"]
    """What a rollback did to them."""
    lost_seconds: float | None
    """For how long what was written to them is lost; None: not known."""
    error: ReportedError


class HeldDetails(TypedDict):
    """Details of a report that an update waits."""

    kind: str
    """A `HoldKind`."""
    next_window: str | None
    """RFC 3339 in the gateway's local time; None where a window is open or none is set."""


class StatusDetails(TypedDict, total=False):
    """Details of a status report, in the order in which they are read; one that is not known is not given."""

    version: str
    digests: dict[str, str | None]
    agent_version: str
    architecture: str
    disk_free_bytes: int
    hardware: str | None
    """The model, as the owner named it; None where it has no name."""
    groups: list[str]
    transaction_state: str | None
    """`State` of the newest transaction; None before the first."""
    freshness_problem: str
    """Why it refuses new updates; empty for no reason."""
    files_problem: str
    """How what Compose reads differs from what was in force last; empty where it does not."""
