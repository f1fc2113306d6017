"""Recording of the control plane's own acts as events."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from ota_py.contract.fleet import ActKind
from ota_py.server.events.actor import actor
from ota_py.server.events.models import Event


def record(kind: ActKind, reason: str, **fields: Any) -> Event:
    """Record an event that happened now, and who did it; `fields` are those of the model."""
    return Event.objects.create(kind=kind, at=timezone.now(), reason=reason, by=actor(), **fields)
