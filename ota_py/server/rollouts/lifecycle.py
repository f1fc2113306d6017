"""Acts on a rollout: start, pause, abort, finish. Each is one conditional UPDATE, so only one caller wins."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from ota_py.contract.fleet import ActKind, RolloutState
from ota_py.errors import ConflictError, NotFoundError
from ota_py.server.events.services import record
from ota_py.server.rollouts.models import Rollout
from ota_py.server.rollouts.states import ABORT, AWAITED, FAILURES, FINISH, PAUSE, START, Act
from ota_py.server.updates.services import mark_withdrawn, release


def get_rollout(rollout_id: int, *, lock: bool = False) -> Rollout:
    """The rollout of an id; with `lock`, no other act on it happens before this transaction ends.

    Raises:
        NotFoundError: there is none of this id.
    """
    rollouts = Rollout.objects.select_related("update_record")
    if lock:
        # Not a key lock: reports refer to the rollout by its key, and need not wait.
        rollouts = rollouts.select_for_update(of=("self",), no_key=True)
    try:
        return rollouts.get(pk=rollout_id)
    except Rollout.DoesNotExist:
        raise NotFoundError(
            f"rollout {rollout_id} does not exist", hint="ota_manager.py status lists the last ones"
        ) from None


@transaction.atomic
def start(rollout_id: int, controller: str) -> Rollout:
    """Start a rollout: PENDING or PAUSED to RUNNING. Again by the same controller it changes nothing.

    Resuming accepts the failures so far: an operator has seen them, and the gate counts from there.

    Raises:
        ConflictError: another state, another controller runs it, or the update was withdrawn.
    """
    rollout = get_rollout(rollout_id, lock=True)
    if rollout.state == RolloutState.RUNNING:
        return _check_controller(rollout, controller)
    release(rollout.update_record)
    accepted = rollout.gateways.filter(state__in=FAILURES).count()
    resumed = rollout.started_at is not None
    _act(
        rollout,
        START,
        controller=controller,
        reason="",
        accepted_failures=accepted,
        started_at=rollout.started_at or timezone.now(),
    )
    verb = f"resumed, {accepted} failures accepted," if resumed else "started"
    return _done(rollout, f"{verb} by {controller}")


@transaction.atomic
def pause(rollout_id: int, reason: str) -> Rollout:
    """Pause a rollout: RUNNING to PAUSED. Nothing is assigned any more; open transactions go on to their end."""
    rollout = get_rollout(rollout_id, lock=True)
    if rollout.state == PAUSE.target:
        return rollout
    _act(rollout, PAUSE, reason=reason)
    return _done(rollout, f"paused: {reason}")


@transaction.atomic
def abort(rollout_id: int, reason: str) -> Rollout:
    """Abort a rollout: any active state to ABORTED, for good; why it had paused stays readable."""
    rollout = get_rollout(rollout_id, lock=True)
    if rollout.state == ABORT.target:
        return rollout
    full_reason = f"{reason}; before, paused: {rollout.reason}" if rollout.reason else reason
    _act(rollout, ABORT, reason=full_reason, finished_at=timezone.now())
    return _done(rollout, f"aborted: {reason}")


@transaction.atomic
def finish(rollout_id: int) -> Rollout:
    """Finish a rollout: RUNNING to COMPLETED.

    Raises:
        ConflictError: another state, or gateways without a final report.
    """
    rollout = get_rollout(rollout_id, lock=True)
    if rollout.state == FINISH.target:
        return rollout
    if waiting := rollout.gateways.filter(state__in=AWAITED).count():
        raise ConflictError(
            f"cannot finish rollout {rollout_id}: nothing final was heard of {waiting} of its gateways",
            hint="wait for them, defer them, or abort the rollout",
        )
    _act(rollout, FINISH, finished_at=timezone.now())
    return _done(rollout, "completed")


@transaction.atomic
def withdraw(version: str) -> None:
    """Withdraw an update and abort its active rollouts.

    Raises:
        NotFoundError: no update of this version is registered.
    """
    active = Rollout.objects.filter(update_record=version, state__in=ABORT.sources).order_by("pk")
    # Rollouts before their update, as in `start`: two that lock in the same order never wait in a ring.
    rollouts = list(active.select_for_update(no_key=True))
    if mark_withdrawn(version):
        for rollout in rollouts:
            abort(rollout.pk, f"update {version} was withdrawn")


def _act(rollout: Rollout, act: Act, **changes: Any) -> None:
    allowed = Rollout.objects.filter(pk=rollout.pk, state__in=act.sources)
    if not allowed.update(state=act.target, **changes):
        rollout.refresh_from_db()
        raise ConflictError(
            f"cannot {act.verb} rollout {rollout.pk} when it is {rollout.state}",
            hint=f"it must be {' or '.join(sorted(act.sources))}",
        )
    rollout.refresh_from_db()


def _done(rollout: Rollout, what: str) -> Rollout:
    record(ActKind.ROLLOUT, what, rollout=rollout, state=rollout.state, version=rollout.update_record_id)
    return rollout


def _check_controller(rollout: Rollout, controller: str) -> Rollout:
    if rollout.controller != controller:
        raise ConflictError(
            f"rollout {rollout.pk} is run by {rollout.controller}",
            hint="if that controller is gone, pause the rollout and start it again",
        )
    return rollout
