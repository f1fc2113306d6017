"""Views over the whole fleet: statistics, events, Ansible's inventory; health and the API's own document."""

from __future__ import annotations

from typing import Annotated, Any

from django.db import connection
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from ota_py import __version__
from ota_py.server import statistics
from ota_py.server.api import render
from ota_py.server.api.auth import READER
from ota_py.server.api.fields import GatewayId, RolloutId
from ota_py.server.api.rollout_schemas import StatisticsOut
from ota_py.server.api.schemas import EventList, FreshnessOut, HealthOut
from ota_py.server.events.models import Event
from ota_py.server.fleet.inventory import inventory
from ota_py.server.freshness import freshness

EVENTS_DEFAULT = 100
EVENTS_MAX = 1000
router = Router()


@router.get("/health", auth=None, response=HealthOut, tags=["control plane"])
def health(request: HttpRequest) -> Any:
    """Check that the control plane is up and its database answers. The only path without a token."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"status": "ok", "version": __version__}


@router.get("/freshness", auth=READER, response=FreshnessOut, tags=["control plane"])
def get_freshness(request: HttpRequest) -> Any:
    """The repository's freshness: until when its signatures hold, and who must run what before."""
    return freshness()


@router.get("/statistics", auth=READER, response=StatisticsOut, tags=["fleet"])
def get_statistics(request: HttpRequest) -> Any:
    """Statistics: success rates by update, the fleet now, the last rollbacks."""
    return {
        "updates": statistics.update_figures(),
        "gateways": statistics.fleet_figures(),
        "rollbacks": [render.rollback(event) for event in statistics.last_rollbacks()],
    }


@router.get("/events", auth=READER, response=EventList, tags=["fleet"])
def list_events(
    request: HttpRequest,
    gateway: GatewayId | None = None,
    rollout: RolloutId | None = None,
    limit: Annotated[int, Field(ge=1, le=EVENTS_MAX)] = EVENTS_DEFAULT,
) -> Any:
    """The newest events, of all or of one gateway or rollout."""
    found = Event.objects.all()
    if gateway is not None:
        found = found.filter(gateway=gateway)
    if rollout is not None:
        found = found.filter(rollout=rollout)
    return {"events": [render.event(event) for event in found[:limit]]}


@router.get("/inventory", auth=READER, tags=["fleet"])
def get_inventory(request: HttpRequest) -> dict[str, Any]:
    """The fleet as Ansible's dynamic inventory."""
    return inventory()
