"""The paths `/rollouts`: rollouts planned, created, run and judged."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from ota_py.contract.fleet import RolloutState
from ota_py.server.api import render
from ota_py.server.api.auth import OPERATOR, READER, caller
from ota_py.server.api.fields import BatchNumber, GatewayId, RolloutId
from ota_py.server.api.rollout_schemas import (
    AssignedOut,
    ControllerIn,
    DeferIn,
    GateOut,
    PlanOut,
    ReasonIn,
    ResultOut,
    RolloutIn,
    RolloutList,
    RolloutOut,
    SweepOut,
)
from ota_py.server.rollouts import dispatch, lifecycle, planning
from ota_py.server.rollouts.models import Rollout

router = Router(tags=["rollouts"])


@router.get("", auth=READER, response=RolloutList)
def list_rollouts(request: HttpRequest, state: RolloutState | None = None) -> Any:
    """Rollouts without their gateways, the newest first."""
    found = Rollout.objects.all() if state is None else Rollout.objects.filter(state=state)
    return {"rollouts": render.rollouts(found)}


@router.post("", auth=OPERATOR, response={201: RolloutOut})
def create_rollout(request: HttpRequest, payload: RolloutIn) -> Any:
    """Record a PENDING rollout."""
    return Status(201, render.rollout(planning.create_rollout(_request(payload), caller(request).label)))


@router.post("/plan", auth=READER, response=PlanOut)
def plan_rollout(request: HttpRequest, payload: RolloutIn) -> Any:
    """Plan a rollout as creating it would; nothing is recorded."""
    made = planning.make_plan(_request(payload))
    return render.plan(made, payload.stagger_minutes, payload.max_failures)


@router.get("/{rollout_id}", auth=READER, response=RolloutOut)
def get_rollout(request: HttpRequest, rollout_id: RolloutId) -> Any:
    """One rollout with its gateways."""
    return render.rollout(lifecycle.get_rollout(rollout_id))


@router.post("/{rollout_id}/start", auth=OPERATOR, response=RolloutOut)
def start(request: HttpRequest, rollout_id: RolloutId, payload: ControllerIn | None = None) -> Any:
    """Start a rollout: PENDING or PAUSED to RUNNING; again by the same controller it changes nothing."""
    who = " ".join(filter(None, (caller(request).label, payload.controller if payload else "")))
    return render.rollout(lifecycle.start(rollout_id, who))


@router.post("/{rollout_id}/pause", auth=OPERATOR, response=RolloutOut)
def pause(request: HttpRequest, rollout_id: RolloutId, payload: ReasonIn | None = None) -> Any:
    """Pause a rollout: RUNNING to PAUSED."""
    return render.rollout(lifecycle.pause(rollout_id, _reason(request, payload)))


@router.post("/{rollout_id}/abort", auth=OPERATOR, response=RolloutOut)
def abort(request: HttpRequest, rollout_id: RolloutId, payload: ReasonIn | None = None) -> Any:
    """End a rollout for good."""
    return render.rollout(lifecycle.abort(rollout_id, _reason(request, payload)))


@router.post("/{rollout_id}/finish", auth=OPERATOR, response=RolloutOut)
def finish(request: HttpRequest, rollout_id: RolloutId) -> Any:
    """Finish a rollout: RUNNING to COMPLETED, once nothing is waited for."""
    return render.rollout(lifecycle.finish(rollout_id))


@router.post("/{rollout_id}/batches/{batch}/start", auth=OPERATOR, response=AssignedOut)
def start_batch(request: HttpRequest, rollout_id: RolloutId, batch: BatchNumber) -> Any:
    """Start a batch: assign its gateways and wake those that pull."""
    return {"assigned": render.dispatched(dispatch.start_batch(rollout_id, batch))}


@router.post("/{rollout_id}/sweep", auth=OPERATOR, response=SweepOut)
def sweep(request: HttpRequest, rollout_id: RolloutId) -> Any:
    """Move the deferred gateways to a new last batch."""
    batch, rows = dispatch.sweep(rollout_id)
    return {"batch": batch, "gateways": render.dispatched(rows)}


@router.post("/{rollout_id}/gateways/{gateway_id}", auth=OPERATOR, response=ResultOut)
def defer(request: HttpRequest, rollout_id: RolloutId, gateway_id: GatewayId, payload: DeferIn) -> Any:
    """Record that the controller could not reach a gateway."""
    return render.result(dispatch.defer(rollout_id, gateway_id, payload.reason))


@router.get("/{rollout_id}/gate", auth=READER, response=GateOut)
def gate(request: HttpRequest, rollout_id: RolloutId, batch: BatchNumber) -> Any:
    """The gate's verdict: whether to go on after a batch."""
    return dispatch.judge(rollout_id, batch)


def _request(payload: RolloutIn) -> planning.RolloutOrder:
    return planning.RolloutOrder(
        version=payload.version,
        gateways=[(member.id, member.delivery or "") for member in payload.gateways],
        serial=payload.serial,
        stagger_minutes=payload.stagger_minutes,
        max_failures=payload.max_failures,
    )


def _reason(request: HttpRequest, payload: ReasonIn | None) -> str:
    return (payload.reason if payload else "") or f"by {caller(request).label}"
