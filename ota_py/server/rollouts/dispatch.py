"""Batches of a rollout: assign, wake, defer, sweep, and the gate between them."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from ota_py.contract.fleet import ActKind, Delivery, GatewayResult, RolloutState, Verdict
from ota_py.errors import ConflictError, NotFoundError
from ota_py.server.events.models import Event
from ota_py.server.events.services import record
from ota_py.server.hints import send_hints
from ota_py.server.rollouts.gate import GateVerdict, Row, evaluate
from ota_py.server.rollouts.lifecycle import get_rollout
from ota_py.server.rollouts.models import Rollout, RolloutGateway
from ota_py.server.rollouts.plan import allowed_failures
from ota_py.server.rollouts.states import (
    ASSIGNABLE,
    AWAITED,
    DEFERRABLE,
    SWEEPABLE,
    UNDERWAY,
)


def start_batch(rollout_id: int, batch: int) -> list[RolloutGateway]:
    """Assign the batch's gateways that are free for it, and wake those that pull.

    Starting it again assigns nothing twice; it returns, and wakes, all that are under way.

    Raises:
        NotFoundError: no such rollout or batch.
        ConflictError: the rollout does not run, an earlier batch is not done, or its gate's verdict is STOP.
    """
    with transaction.atomic():
        rollout = _running(rollout_id, "start a batch of")
        _check_batch(rollout, batch)
        free = rollout.gateways.filter(batch=batch, state__in=ASSIGNABLE)
        if free.exists():
            _check_turn(rollout, batch)
            free.update(state=GatewayResult.ASSIGNED, reason="", finished_at=None)
        assigned = list(rollout.gateways.filter(batch=batch, state__in=UNDERWAY))
    _wake(rollout, assigned)
    return assigned


def judge(rollout_id: int, batch: int) -> GateVerdict:
    """The gate's verdict on a batch, by what is recorded now.

    Raises:
        NotFoundError: no such rollout or batch.
    """
    rollout = get_rollout(rollout_id)
    _check_batch(rollout, batch)
    return _evaluate(rollout, batch)


@transaction.atomic
def sweep(rollout_id: int) -> tuple[int, list[RolloutGateway]]:
    """Move the deferred gateways to a new last batch; return the batch's number and the gateways.

    Without deferred gateways nothing changes, and the number is that of the last batch.

    Raises:
        ConflictError: the rollout does not run.
    """
    rollout = _running(rollout_id, "sweep")
    deferred = list(rollout.gateways.filter(state__in=SWEEPABLE))
    if not deferred:
        return len(rollout.batch_sizes) - 1, []
    batch = len(rollout.batch_sizes)
    rollout.gateways.filter(pk__in=[row.pk for row in deferred]).update(
        batch=batch, state=GatewayResult.PENDING, finished_at=None
    )
    # The sizes of the plan stay; a sweep adds one batch.
    Rollout.objects.filter(pk=rollout.pk).update(batch_sizes=[*rollout.batch_sizes, len(deferred)])
    record(ActKind.ROLLOUT, f"{len(deferred)} deferred gateways are tried again", rollout=rollout)
    return batch, deferred


@transaction.atomic
def defer(rollout_id: int, gateway_id: str, reason: str) -> RolloutGateway:
    """Record that a gateway could not be reached: not a failure, it is swept up at the end.

    Raises:
        NotFoundError: no such rollout, or the gateway is not part of it.
        ConflictError: the gateway is not dispatched, or has ended already.
    """
    rollout = get_rollout(rollout_id)
    row = rollout.gateways.filter(gateway=gateway_id)
    changed = row.filter(state__in=DEFERRABLE).update(state=GatewayResult.DEFERRED, reason=reason)
    found = row.first()
    if found is None:
        raise NotFoundError(
            f"gateway {gateway_id} is not part of rollout {rollout_id}",
            hint=f"ota_manager.py status {rollout_id} lists those that are",
        )
    if changed:
        record(ActKind.DEFERRED, reason, rollout=rollout, gateway_id=gateway_id)
    elif found.state != GatewayResult.DEFERRED:
        raise ConflictError(
            f"cannot defer gateway {gateway_id} in rollout {rollout_id} when it is {found.state}",
            hint="only one that is ASSIGNED or UPDATING can be deferred",
        )
    return found


def _running(rollout_id: int, verb: str) -> Rollout:
    # Locked: a pause or abort at the same moment comes either before or after what the caller does.
    rollout = get_rollout(rollout_id, lock=True)
    if rollout.state != RolloutState.RUNNING:
        raise ConflictError(
            f"cannot {verb} rollout {rollout_id} when it is {rollout.state}",
            hint=f"it must be {RolloutState.RUNNING}",
        )
    return rollout


def _check_batch(rollout: Rollout, batch: int) -> None:
    if batch >= len(rollout.batch_sizes):
        raise NotFoundError(
            f"rollout {rollout.pk} has no batch {batch}",
            hint=f"its last one is {len(rollout.batch_sizes) - 1}",
        )


def _check_turn(rollout: Rollout, batch: int) -> None:
    waiting = rollout.gateways.filter(batch__lt=batch, state__in=AWAITED)
    if ids := list(waiting.values_list("gateway_id", flat=True)[:5]):
        raise ConflictError(
            f"cannot start batch {batch} of rollout {rollout.pk}: not done yet: {', '.join(ids)}",
            hint="wait for them, or defer those that cannot be reached",
        )
    verdict = _evaluate(rollout, batch)
    if verdict.verdict is Verdict.STOP:
        raise ConflictError(
            f"cannot start batch {batch} of rollout {rollout.pk}: {verdict.reason}",
            hint="pause the rollout; starting it again accepts the failures so far",
        )


def _evaluate(rollout: Rollout, batch: int) -> GateVerdict:
    rows = [Row(*row) for row in rollout.gateways.values_list("gateway_id", "batch", "state", "step")]
    halted = "" if rollout.state == RolloutState.RUNNING else f"rollout {rollout.pk} is {rollout.state}"
    if halted and rollout.reason:
        halted += f": {rollout.reason}"
    allowed = allowed_failures(rollout.max_failures, len(rows))
    return evaluate(rows, batch, allowed, rollout.accepted_failures, halted)


def _wake(rollout: Rollout, assigned: list[RolloutGateway]) -> None:
    pulling = [row.gateway_id for row in assigned if row.delivery == Delivery.PULL]
    silent = send_hints(pulling, rollout.update_record_id, rollout.pk)
    now = timezone.now()
    Event.objects.bulk_create(
        Event(
            kind=ActKind.HINT_FAILED,
            at=now,
            gateway_id=gateway,
            rollout=rollout,
            version=rollout.update_record_id,
            reason="the MQTT broker did not take the hint; the gateway's next poll finds the assignment",
        )
        for gateway in silent
    )
