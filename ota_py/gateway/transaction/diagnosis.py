"""The diagnosis of a transaction for its report: which service failed, and how long services were down."""

from __future__ import annotations

import time
import traceback
from collections.abc import Collection
from typing import Any

from ota_py.contract.transactions import State
from ota_py.errors import OtaError
from ota_py.gateway.docker import container
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.docker.images import translated
from ota_py.gateway.health import gate
from ota_py.gateway.journal.plan import TransactionPlan
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.system.clock import Clock, boot_id
from ota_py.gateway.transaction.context import TransactionContext
from ota_py.gateway.transaction.results import seconds_since

_SLACK_SECONDS = 1.0
# No gateway is without power in mid-update for so long: its clock was wrong when it began.
_NONSENSE_SECONDS = 90 * 86400.0


def blame(context: TransactionContext, transaction: Transaction) -> dict[str, Any]:
    """The service that failed, with the end of its log; empty before services were started."""
    if transaction.intent is not State.STARTED and transaction.state is not State.STARTED:
        return {}
    try:
        project = context.compose.present
    except OtaError:
        return {}
    return gate.blame(context.compose, project, TransactionPlan.of(transaction.plan).change.changed)


def downtime(context: TransactionContext, transaction: Transaction, since: float, took: float) -> float | None:
    """Seconds for which changed services were down, once they were started again; None: not known.

    Args:
        since: when their start began, seconds since the epoch.
        took: seconds that the start took, by a clock that cannot be set.
    """
    plan = TransactionPlan.of(transaction.plan)
    if plan.stopped:
        return round(transaction.clock.elapsed(), 3)
    replaced = set(plan.change.changed) - set(plan.change.added)
    try:
        gaps = _gaps(context.compose, replaced, since) if replaced else [0.0]
    except OtaError as error:  # a measure that is missing must not fail an update
        context.progress.note(f"the down time is not known: {error.message}")
        return None
    # Docker's times are of the clock on the wall, which may have been set meanwhile.
    if not gaps or min(gaps) < 0 or max(gaps) > took + _SLACK_SECONDS:
        return None
    return round(max(gaps), 3)


def down_since(begun_at: str, clock: Clock | None) -> float | None:
    """Seconds since services were first touched; None: not known.

    Args:
        begun_at: that moment, by the clock on the wall.
        clock: of the transaction, as it was stored in the boot of that moment; None: by older software.

    Within one boot no clock that is set moves it. Across a power cut only the clock on the wall can tell: it
    is believed if it shows no less than the time that the gateway was up, and no nonsense.
    """
    if clock is not None and clock.boot == boot_id():
        return round(clock.elapsed(), 3)
    down = max(seconds_since(begun_at), clock.elapsed() if clock else 0.0)
    return round(down, 3) if down < _NONSENSE_SECONDS else None


def defect(error: Exception) -> OtaError:
    """An unexpected exception, as an error of ours."""
    return OtaError(
        f"internal error: {type(error).__name__}: {error}",
        hint="this is a defect of the software; please report it with the details",
        traceback=traceback.format_exc(limit=-8),
    )


def _gaps(compose: Compose, services: Collection[str], since: float) -> list[float]:
    """The times that services were down since a moment, from Docker's events."""
    filters = {
        "type": "container",
        "event": ["die", "start"],
        "label": f"{container.PROJECT_LABEL}={compose.name}",
    }
    # Not beyond the last start: Docker would wait for a moment that is still to come by its own clock.
    until = max((c.started for c in compose.containers() if c.service in services), default=0.0) + 1
    died: dict[str, float] = {}
    gaps: list[float] = []
    with translated("reading events"):
        for event in compose.api.events(since=since, until=min(until, time.time()), filters=filters, decode=True):
            service = event["Actor"]["Attributes"].get(container.SERVICE_LABEL)
            moment = event["timeNano"] / 1e9
            if service not in services:
                continue
            if event["Action"] == "die":
                died.setdefault(service, moment)
            elif service in died:
                gaps.append(moment - died.pop(service))
    return gaps
