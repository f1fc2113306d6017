"""Schemas of the API's requests and answers: rollouts, gates, statistics."""

from __future__ import annotations

from typing import Annotated, Literal

from ninja import Schema
from pydantic import Field

from ota_py.contract.fleet import Delivery, GatewayResult, RolloutState, Verdict
from ota_py.server.api.fields import GatewayId, Moment, Reason, Version
from ota_py.server.api.schemas import Request
from ota_py.server.rollouts.plan import GATEWAYS_MAX, SERIAL_DEFAULT, SERIAL_MAX

STAGGER_MINUTES_DEFAULT = 5.0
STAGGER_MINUTES_MAX = 7 * 24 * 60.0


class MemberIn(Request):
    """A gateway of a rollout."""

    id: GatewayId
    delivery: Delivery | None = Field(default=None, description="not given: the gateway's own")


class RolloutIn(Request):
    """A rollout to create or preview."""

    version: Version
    gateways: Annotated[list[MemberIn], Field(max_length=GATEWAYS_MAX)]
    serial: Annotated[list[int | str], Field(max_length=SERIAL_MAX)] = list(SERIAL_DEFAULT)
    stagger_minutes: float = Field(default=STAGGER_MINUTES_DEFAULT, ge=0, le=STAGGER_MINUTES_MAX, allow_inf_nan=False)
    max_failures: str = Field(default="0", description="a count, or a percentage such as 10%")


class PlannedGateway(Schema):
    """A gateway of a plan and its batch."""

    id: str
    batch: int
    delivery: Delivery
    version: str


class PlanOut(Schema):
    """The plan of a requested rollout."""

    version: str
    critical: bool
    batch_sizes: list[int]
    stagger_minutes: float
    max_failures: str
    allowed_failures: int
    gateways: list[PlannedGateway]


class ResultOut(Schema):
    """The result of one gateway in a rollout."""

    id: str
    batch: int
    delivery: Delivery
    state: GatewayResult
    step: str
    reason: str
    from_version: str
    started_at: Moment | None
    finished_at: Moment | None
    transaction: str | None


class RolloutSummary(Schema):
    """A rollout without its gateways."""

    id: int
    version: str
    state: RolloutState
    reason: str
    stagger_minutes: float
    max_failures: str
    batch_sizes: list[int]
    created_by: str
    controller: str
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    counts: dict[str, int]


class RolloutOut(RolloutSummary):
    """A rollout with its gateways."""

    gateways: list[ResultOut]


class RolloutList(Schema):
    """Rollouts, the newest first."""

    rollouts: list[RolloutSummary]


class ControllerIn(Request):
    """The controller that starts a rollout, where several share one token."""

    controller: Annotated[str, Field(max_length=80)] = ""


class ReasonIn(Request):
    """The reason to pause or abort a rollout."""

    reason: Reason = ""


class DeferIn(Request):
    """The deferral of a gateway that could not be reached."""

    state: Literal[GatewayResult.DEFERRED]
    reason: Reason = ""


class Dispatched(Schema):
    """A dispatched gateway, and by its delivery who starts the transaction."""

    id: str
    delivery: Delivery


class AssignedOut(Schema):
    """The gateways of a batch that are under way."""

    assigned: list[Dispatched]


class SweepOut(Schema):
    """The new last batch, of deferred gateways."""

    batch: int
    gateways: list[Dispatched]


class GateOut(Schema):
    """The gate's verdict on a batch."""

    verdict: Verdict
    reason: str
    failures: int
    allowed: int
    pending: list[str]
    held: list[str] = Field(description="of those: waiting for a maintenance window, a veto or a hook")
    counts: dict[str, int]


class UpdateFigures(Schema):
    """The results of an update in all its rollouts."""

    version: str
    succeeded: int
    rolled_back: int
    failed: int
    success_rate: float | None = Field(description="0 to 1; null before the first result")


class FleetFigures(Schema):
    """The fleet now: gateways by version and state."""

    total: int
    online: int
    by_version: dict[str, int]
    by_state: dict[str, int]


class Rollback(Schema):
    """A rollback of a gateway."""

    gateway: str
    version: str
    from_version: str
    rollout: int | None
    state: str
    at: Moment
    reason: str
    failing_service: str


class StatisticsOut(Schema):
    """Statistics: success rates, the fleet, and the last rollbacks."""

    updates: list[UpdateFigures]
    gateways: FleetFigures
    rollbacks: list[Rollback]
