"""The paths `/gateways`: gateways registered and changed by operators, and the reports of gateways."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from ota_py.contract.fleet import GatewayState, TokenRole
from ota_py.errors import UsageError
from ota_py.server.api import render
from ota_py.server.api.auth import OPERATOR, READER, REPORTER, caller
from ota_py.server.api.fields import GatewayId, ReportedVersion, Word
from ota_py.server.api.schemas import (
    GatewayCreated,
    GatewayIn,
    GatewayList,
    GatewayOut,
    GatewayPatch,
    ReportIn,
    ReportsIn,
    ReportsOut,
    TokenOut,
)
from ota_py.server.events.ingest import ingest
from ota_py.server.events.quota import quota
from ota_py.server.events.report import IncomingReport
from ota_py.server.fleet import services
from ota_py.server.fleet.models import Gateway

router = Router(tags=["gateways"])


@router.post("/{gateway_id}/reports", auth=REPORTER, response=ReportsOut)
def reports(request: HttpRequest, gateway_id: GatewayId, payload: ReportsIn) -> Any:
    """Deliver a gateway's reports; each is counted once by its id. 429: later, see Retry-After."""
    strangers = sorted({report.gateway for report in payload.reports} - {gateway_id})
    if strangers:
        raise UsageError(
            f"reports of {', '.join(strangers[:5])} were sent as those of {gateway_id}",
            hint="send each gateway's reports to its own path",
        )
    if caller(request).role == TokenRole.GATEWAY:
        quota.take(gateway_id, reports=len(payload.reports))
    accepted, duplicates = ingest(gateway_id, (_report(report) for report in payload.reports))
    return {"accepted": accepted, "duplicates": duplicates}


@router.get("", auth=READER, response=GatewayList)
def list_gateways(
    request: HttpRequest,
    state: GatewayState | None = None,
    group: Word | None = None,
    version: ReportedVersion | None = None,
    differs: bool | None = None,
) -> Any:
    """Gateways by id: all, or those of a state, group or version, or that run other images than theirs."""
    found = Gateway.objects.all()
    if state is not None:
        found = found.filter(state=state)
    if version is not None:
        found = found.filter(version=version)
    if differs is not None:
        found = found.exclude(differing=[]) if differs else found.filter(differing=[])
    # In Python, because SQLite has no containment lookup for JSON.
    rows = [gateway for gateway in found if group is None or group in gateway.groups]
    return {"gateways": [render.gateway(gateway) for gateway in rows]}


@router.post("", auth=OPERATOR, response={201: GatewayCreated})
def add_gateway(request: HttpRequest, payload: GatewayIn) -> Any:
    """Register a gateway. Its token is shown once, here."""
    gateway, token = services.register_gateway(**payload.dict())
    return Status(201, {"gateway": render.gateway(gateway), "token": token})


@router.get("/{gateway_id}", auth=READER, response=GatewayOut)
def get_gateway(request: HttpRequest, gateway_id: GatewayId) -> Any:
    """One gateway."""
    return render.gateway(services.get_gateway(gateway_id))


@router.patch("/{gateway_id}", auth=OPERATOR, response=GatewayOut)
def change_gateway(request: HttpRequest, gateway_id: GatewayId, payload: GatewayPatch) -> Any:
    """Change a gateway's delivery, address, groups or hardware."""
    changes = {name: value for name, value in payload.dict(exclude_unset=True).items() if value is not None}
    return render.gateway(services.change_gateway(gateway_id, changes))


@router.post("/{gateway_id}/token", auth=OPERATOR, response=TokenOut)
def rotate_token(request: HttpRequest, gateway_id: GatewayId) -> Any:
    """Give a gateway a new token; all its earlier ones are revoked."""
    return {"token": services.rotate_token(gateway_id)}


def _report(given: ReportIn) -> IncomingReport:
    return IncomingReport(
        id=given.id,
        seq=given.seq,
        at=given.at,
        kind=given.kind,
        transaction=str(given.transaction or ""),
        rollout=given.rollout,
        version=given.version,
        from_version=given.from_version,
        state=given.state,
        reason=given.reason,
        details=given.details,
    )
