"""Creation of rollouts: the gateways that take part, each in its batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction

from ota_py.contract.fleet import ACTIVE_ROLLOUTS, ActKind
from ota_py.errors import ConflictError, NotFoundError, UsageError
from ota_py.server.events.services import record
from ota_py.server.fleet.models import Gateway
from ota_py.server.rollouts.models import Rollout, RolloutGateway
from ota_py.server.rollouts.plan import GATEWAYS_MAX, allowed_failures, batch_sizes, check_serial
from ota_py.server.updates.models import Update
from ota_py.server.updates.services import check_not_withdrawn, get_update

INSERT_ROWS = 1000
# SQLite's default limit of variables in one statement is 32,766.
QUERY_IDS = 10_000
# Of gateways that a request names wrongly.
IDS_NAMED = 20


@dataclass(frozen=True)
class RolloutOrder:
    """A rollout as an operator requests it.

    Attributes:
        gateways: id and delivery (empty: the gateway's own) in the order of the rollout.
        serial: batch sizes, see plan.py.
        stagger_minutes: between two batches.
        max_failures: a count or a percentage.
    """

    version: str
    gateways: Sequence[tuple[str, str]]
    serial: Sequence[int | str]
    stagger_minutes: float
    max_failures: str


@dataclass(frozen=True)
class RolloutPlan:
    """A requested rollout, checked and cut into batches.

    Attributes:
        update: the update.
        members: gateway, delivery and batch number, in order.
        sizes: gateways in each batch.
        allowed: how many may fail.
    """

    update: Update
    members: list[tuple[Gateway, str, int]]
    sizes: list[int]
    allowed: int


def make_plan(request: RolloutOrder) -> RolloutPlan:
    """Check a request against the records, and cut it into batches. Writes nothing.

    Raises:
        UsageError: values out of range, no gateways, or one named twice.
        NotFoundError: an update or gateways that are not registered; all are named.
        ConflictError: a withdrawn update, or gateways that another active rollout has.
    """
    ids = [gateway_id for gateway_id, _ in request.gateways]
    _check_ids(ids)
    check_serial(request.serial)
    allowed = allowed_failures(request.max_failures, len(ids))
    update = get_update(request.version)
    check_not_withdrawn(update)
    known = _known_gateways(ids)
    _check_free(ids)
    sizes = batch_sizes(len(ids), request.serial)
    batches = (number for number, size in enumerate(sizes) for _ in range(size))
    members = [
        (known[gateway_id], delivery or known[gateway_id].delivery, batch)
        for (gateway_id, delivery), batch in zip(request.gateways, batches, strict=True)
    ]
    return RolloutPlan(update, members, sizes, allowed)


@transaction.atomic
def create_rollout(request: RolloutOrder, created_by: str) -> Rollout:
    """Record a PENDING rollout.

    Raises:
        UsageError, NotFoundError, ConflictError: as `make_plan`.
    """
    # Locked until the rollout is written, so that two rollouts cannot both find a gateway free.
    _lock([gateway_id for gateway_id, _ in request.gateways])
    plan = make_plan(request)
    rollout = Rollout.objects.create(
        update_record=plan.update,
        stagger_minutes=request.stagger_minutes,
        max_failures=request.max_failures,
        batch_sizes=plan.sizes,
        created_by=created_by,
    )
    rows = [
        RolloutGateway(
            rollout=rollout,
            gateway=gateway,
            batch=batch,
            position=position,
            delivery=delivery,
            from_version=gateway.version,
        )
        for position, (gateway, delivery, batch) in enumerate(plan.members)
    ]
    RolloutGateway.objects.bulk_create(rows, batch_size=INSERT_ROWS)
    record(ActKind.ROLLOUT, f"created by {created_by}", rollout=rollout, version=plan.update.version)
    return rollout


def _check_ids(ids: list[str]) -> None:
    if not ids:
        raise UsageError("the rollout names no gateways", hint="name at least one that is registered")
    if len(ids) > GATEWAYS_MAX:
        raise UsageError(
            f"the rollout names {len(ids)} gateways, the limit is {GATEWAYS_MAX}",
            hint="make several rollouts",
        )
    if twice := [gateway_id for gateway_id, times in Counter(ids).items() if times > 1]:
        raise UsageError(f"gateways named more than once: {_some(twice)}", hint="name each gateway once")


def _some(ids: list[str]) -> str:
    """The first ids, as many as a person reads."""
    more = f" and {len(ids) - IDS_NAMED} more" if len(ids) > IDS_NAMED else ""
    return ", ".join(ids[:IDS_NAMED]) + more


def _known_gateways(ids: list[str]) -> dict[str, Gateway]:
    known: dict[str, Gateway] = {}
    for chunk in _chunks(ids):
        known |= Gateway.objects.in_bulk(chunk)
    if missing := [gateway_id for gateway_id in ids if gateway_id not in known]:
        raise NotFoundError(
            f"gateways not registered: {_some(missing)}",
            hint="ota_manager.py gateways lists those that are",
        )
    return known


def _check_free(ids: list[str]) -> None:
    taken: list[tuple[str, int]] = []
    for chunk in _chunks(ids):
        rows = RolloutGateway.objects.filter(gateway__in=chunk, rollout__state__in=ACTIVE_ROLLOUTS)
        taken += rows.order_by("gateway").values_list("gateway_id", "rollout_id")
    if taken:
        named = ", ".join(f"{gateway_id} (rollout {rollout_id})" for gateway_id, rollout_id in taken)
        raise ConflictError(
            f"gateways in another active rollout: {named}",
            hint=f"go on with it (`ota_manager.py rollout --resume {taken[0][1]}`) or end it (`--abort`)",
        )


def _lock(ids: list[str]) -> None:
    for chunk in _chunks(sorted(ids)):
        # In the order of ids: requests that share gateways wait for each other, and never in a ring.
        list(Gateway.objects.select_for_update(no_key=True).filter(pk__in=chunk).order_by("pk").values_list("pk"))


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + QUERY_IDS] for start in range(0, len(ids), QUERY_IDS))
