"""Records as the API returns them. The schemas check the shapes; here are the names that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import Count
from django.utils import timezone

from ota_py.contract.fleet import GatewayResult
from ota_py.server.events.models import Event
from ota_py.server.fleet.models import Gateway
from ota_py.server.fleet.presence import online
from ota_py.server.rollouts.gate import count
from ota_py.server.rollouts.models import Rollout, RolloutGateway
from ota_py.server.rollouts.planning import RolloutPlan
from ota_py.server.tokens.models import ApiToken

Json = dict[str, Any]


def gateway(record: Gateway) -> Json:
    """A gateway: its columns, and whether it is online."""
    return {**_columns(record), "online": online(record, timezone.now())}


def rollout(record: Rollout) -> Json:
    """A rollout with its gateways."""
    rows = list(record.gateways.all())
    return {**_summary(record, count(row.state for row in rows)), "gateways": [result(row) for row in rows]}


def rollouts(records: Iterable[Rollout]) -> list[Json]:
    """Rollouts without their gateways; two queries for any number of them."""
    records = list(records)
    counts: dict[int, Counter[str]] = {record.pk: Counter() for record in records}
    rows = RolloutGateway.objects.order_by().filter(rollout__in=records).values_list("rollout", "state")
    for rollout_id, state, number in rows.annotate(number=Count("pk")):
        counts[rollout_id][state] = number
    return [_summary(record, {state: counts[record.pk][state] for state in GatewayResult}) for record in records]


def result(row: RolloutGateway) -> Json:
    """The result of one gateway in a rollout."""
    return {**_columns(row), "id": row.gateway_id, "transaction": row.transaction or None}


def dispatched(rows: Iterable[RolloutGateway]) -> list[Json]:
    """Dispatched gateways: ids and deliveries."""
    return [{"id": row.gateway_id, "delivery": row.delivery} for row in rows]


def plan(made: RolloutPlan, stagger_minutes: float, max_failures: str) -> Json:
    """The plan of a rollout."""
    return {
        "version": made.update.version,
        "critical": made.update.critical,
        "batch_sizes": made.sizes,
        "stagger_minutes": stagger_minutes,
        "max_failures": max_failures,
        "allowed_failures": made.allowed,
        "gateways": [
            {"id": member.pk, "batch": batch, "delivery": delivery, "version": member.version}
            for member, delivery, batch in made.members
        ],
    }


def event(record: Event) -> Json:
    """An event."""
    return {
        **_columns(record),
        "gateway": record.gateway_id,
        "rollout": record.rollout_id,
        "transaction": record.transaction or None,
    }


def token(record: ApiToken) -> Json:
    """A token's columns without its hash, and whether it holds."""
    columns = {name: value for name, value in _columns(record).items() if name != "digest"}
    return {**columns, "gateway": record.gateway_id, "state": record.state}


def rollback(record: Event) -> Json:
    """A rollback, from the gateway's report of it."""
    return {**event(record), "failing_service": str(record.details.get("failing_service") or "")}


def _summary(record: Rollout, counts: dict[str, int]) -> Json:
    return {**_columns(record), "version": record.update_record_id, "counts": counts}


def _columns(record: Any) -> Json:
    return {field.name: getattr(record, field.attname) for field in record._meta.concrete_fields}
