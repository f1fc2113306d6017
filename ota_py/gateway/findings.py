"""What an update finds out about itself: which service failed, and how long services were down."""

from __future__ import annotations

import time
import traceback
from collections.abc import Collection
from typing import Any

from ota_py.errors import OtaError
from ota_py.gateway import container, health
from ota_py.gateway.compose import Compose
from ota_py.gateway.images import translated
from ota_py.gateway.parts import Parts
from ota_py.gateway.plan import Plan
from ota_py.gateway.states import State
from ota_py.gateway.transaction import Transaction


def blame(parts: Parts, transaction: Transaction) -> dict[str, Any]:
    """Which service failed, where one can have: only what was started can."""
    if transaction.intent is not State.STARTED and transaction.state is not State.STARTED:
        return {}
    try:
        project = parts.compose.present
    except OtaError:
        return {}
    return health.blame(parts.compose, project, Plan.of(transaction.plan).change.changed)


def downtime(parts: Parts, transaction: Transaction, since: float) -> float | None:
    """Seconds for which changed services were down, once they were started again.

    Args:
        since: when they began to be started, seconds since the epoch.
    """
    plan = Plan.of(transaction.plan)
    if plan.stopped:
        return round(transaction.clock.elapsed(), 3)
    replaced = set(plan.change.changed) - set(plan.change.added)
    try:
        return _down_seconds(parts.compose, replaced, since) if replaced else 0.0
    except OtaError as error:  # a measure that is missing must not fail an update
        parts.progress.note(f"the down time is not known: {error.message}")
        return None


def defect(error: Exception) -> OtaError:
    """An exception that nobody expected, as one of ours."""
    return OtaError(
        f"internal error: {type(error).__name__}: {error}",
        hint="this is a defect of the software; please report it with the details",
        traceback=traceback.format_exc(limit=-8),
    )


def _down_seconds(compose: Compose, services: Collection[str], since: float) -> float | None:
    """The longest time that one of the services was down since then, from the Engine's own events."""
    filters = {
        "type": "container",
        "event": ["die", "start"],
        "label": f"{container.PROJECT_LABEL}={compose.name}",
    }
    # Not beyond the last start: the engine would wait for a moment that is to come by its own clock.
    until = max((c.started for c in compose.containers() if c.service in services), default=0.0) + 1
    died: dict[str, float] = {}
    longest: float | None = None
    with translated("reading events"):
        for event in compose.api.events(
            since=since, until=min(until, time.time()), filters=filters, decode=True
        ):
            service = event["Actor"]["Attributes"].get(container.SERVICE_LABEL)
            moment = event["timeNano"] / 1e9
            if service not in services:
                continue
            if event["Action"] == "die":
                died.setdefault(service, moment)
            elif service in died:
                longest = max(longest or 0.0, moment - died.pop(service))
    return None if longest is None else round(longest, 3)
