"""Figures of the fleet and of updates, for the API and the admin alike."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count
from django.utils import timezone

from ota_py.contract.fleet import GatewayResult
from ota_py.contract.reports import ReportKind
from ota_py.contract.transactions import State
from ota_py.server.events.models import Event
from ota_py.server.fleet.models import Gateway
from ota_py.server.fleet.presence import online_filter
from ota_py.server.rollouts.models import RolloutGateway
from ota_py.server.updates.services import newest_first

ROLLBACKS_SHOWN = 20
ROLLBACK_STATES = (State.ROLLED_BACK, State.BROKEN)


@dataclass(frozen=True)
class UpdateStatistics:
    """Results of an update in all its rollouts."""

    version: str
    succeeded: int
    rolled_back: int
    failed: int

    @property
    def success_rate(self) -> float | None:
        """The share of successes from 0 to 1, or None before the first result."""
        ended = self.succeeded + self.rolled_back + self.failed
        return self.succeeded / ended if ended else None


@dataclass(frozen=True)
class FleetStatistics:
    """The fleet now: gateways by version and state."""

    total: int
    online: int
    by_version: dict[str, int]
    by_state: dict[str, int]


def update_figures() -> list[UpdateStatistics]:
    """The statistics of all updates, the newest version first."""
    counted: dict[str, dict[str, int]] = {}
    rows = RolloutGateway.objects.order_by().values_list("rollout__update_record", "state")
    for version, state, number in rows.annotate(number=Count("pk")):
        counted.setdefault(version, {})[state] = number
    return [_figures(update.version, counted.get(update.version, {})) for update in newest_first()]


def _figures(version: str, counts: dict[str, int]) -> UpdateStatistics:
    return UpdateStatistics(
        version=version,
        succeeded=counts.get(GatewayResult.SUCCEEDED, 0),
        rolled_back=counts.get(GatewayResult.ROLLED_BACK, 0),
        failed=counts.get(GatewayResult.FAILED, 0),
    )


def fleet_figures() -> FleetStatistics:
    """The statistics of all gateways."""
    totals = Gateway.objects.aggregate(total=Count("pk"), online=Count("pk", filter=online_filter(timezone.now())))
    return FleetStatistics(
        total=totals["total"],
        online=totals["online"],
        by_version={name or "unknown": number for name, number in _count_by("version")},
        by_state=dict(_count_by("state")),
    )


def last_rollbacks() -> list[Event]:
    """The last rollbacks, the newest first."""
    rows = Event.objects.filter(
        kind__in=(ReportKind.TRANSITION, ReportKind.ALARM), state__in=ROLLBACK_STATES, gateway__isnull=False
    )
    return list(rows[:ROLLBACKS_SHOWN])


def _count_by(field: str) -> list[tuple[str, int]]:
    return list(Gateway.objects.order_by(field).values_list(field).annotate(number=Count("pk")))
