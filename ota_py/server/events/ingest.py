"""Ingestion of gateways' reports: each counted once, in any order, never twice.

A report is a fact about what a gateway did. It is always recorded; it changes the records of the gateway
and of its rollout only if it is newer than what they were taken from.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from ota_py.contract.fleet import GatewayState
from ota_py.server.events.apply import apply_to_gateway, apply_to_result
from ota_py.server.events.models import Event
from ota_py.server.events.report import IncomingReport
from ota_py.server.fleet.digests import differing
from ota_py.server.fleet.models import Gateway
from ota_py.server.fleet.presence import last_seen
from ota_py.server.fleet.services import get_gateway
from ota_py.server.rollouts.models import RolloutGateway
from ota_py.server.updates.models import Update


def ingest(gateway_id: str, reports: Iterable[IncomingReport]) -> tuple[list[str], list[str]]:
    """Record the reports and apply what is new; return the ids accepted and those that were known.

    Raises:
        NotFoundError: the gateway is not registered.
    """
    get_gateway(gateway_id)
    ordered = sorted(reports, key=lambda report: report.seq)
    with transaction.atomic():
        # One delivery at a time for each gateway: the same report sent twice at once is seen here.
        gateway = Gateway.objects.select_for_update(no_key=True).get(pk=gateway_id)
        new, duplicates = _split(gateway, ordered)
        results = _results(gateway, new)
        Event.objects.bulk_create(_event(gateway, report, results) for report in new)
        for report in new:
            apply_to_gateway(gateway, report)
            if report.rollout in results:
                apply_to_result(results[report.rollout], report)
        if new:
            _compare(gateway)
            gateway.save()
        for result in results.values():
            result.save()
    last_seen.touch(gateway_id)
    return [str(report.id) for report in new], duplicates


def _split(gateway: Gateway, reports: list[IncomingReport]) -> tuple[list[IncomingReport], list[str]]:
    known = set(
        Event.objects.filter(gateway=gateway, report_id__in=[report.id for report in reports]).values_list(
            "report_id", flat=True
        )
    )
    new: list[IncomingReport] = []
    duplicates: list[str] = []
    for report in reports:
        if report.id in known:
            duplicates.append(str(report.id))
        else:
            known.add(report.id)
            new.append(report)
    return new, duplicates


def _results(gateway: Gateway, reports: list[IncomingReport]) -> dict[int | None, RolloutGateway]:
    """The gateway's own rows in the rollouts of the reports, locked."""
    ids = {report.rollout for report in reports if report.rollout is not None}
    rows = RolloutGateway.objects.select_for_update(of=("self",)).select_related("rollout")
    return {row.rollout_id: row for row in rows.filter(gateway=gateway, rollout__in=ids).order_by("pk")}


def _compare(gateway: Gateway) -> None:
    """Record which services run another image than the update names; during an update, none does."""
    update = Update.objects.filter(pk=gateway.version).only("images").first()
    is_judged = update is not None and gateway.state == GatewayState.IDLE
    gateway.differing = differing(gateway.digests, update.images) if update and is_judged else []


def _event(gateway: Gateway, report: IncomingReport, results: dict[int | None, RolloutGateway]) -> Event:
    return Event(
        kind=report.kind,
        at=report.at,
        gateway=gateway,
        rollout_id=report.rollout if report.rollout in results else None,
        report_id=report.id,
        seq=report.seq,
        transaction=report.transaction,
        version=report.version,
        from_version=report.from_version,
        state=report.state,
        reason=report.reason,
        by="",
        details=report.details,
    )
