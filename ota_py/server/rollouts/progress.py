"""The progress of a rollout, for people: shares of its gateways by outcome."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from ota_py.contract.fleet import GatewayResult
from ota_py.server.rollouts.models import Rollout
from ota_py.server.rollouts.states import FAILURES, SETTLED, UNDERWAY


@dataclass(frozen=True)
class Segment:
    """A part of the progress bar: `kind` is its colour, `percent` its width."""

    kind: str
    label: str
    number: int
    percent: float


@dataclass(frozen=True)
class RolloutProgress:
    """The progress of a rollout in numbers of gateways.

    Attributes:
        failures: rolled back or failed.
        segments: the bar, from success to not begun; kinds without gateways are left out.
    """

    total: int
    ended: int
    succeeded: int
    failures: int
    counts: dict[str, int]
    segments: list[Segment]

    @property
    def success_rate(self) -> float | None:
        """The share of successes among results, from 0 to 1; None before the first result."""
        tried = self.succeeded + self.failures
        return self.succeeded / tried if tried else None


_KINDS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("good", "succeeded", frozenset({GatewayResult.SUCCEEDED})),
    ("neutral", "already there", frozenset({GatewayResult.SKIPPED})),
    ("bad", "rolled back or failed", FAILURES),
    ("busy", "under way", UNDERWAY),
    ("late", "deferred", frozenset({GatewayResult.DEFERRED})),
    ("waiting", "not begun", frozenset({GatewayResult.PENDING})),
)


def progress_of(rollout: Rollout) -> RolloutProgress:
    """Count the rollout's gateways by outcome, in one query."""
    rows = rollout.gateways.order_by().values_list("state")
    counts: dict[str, int] = {**dict.fromkeys(GatewayResult, 0), **dict(rows.annotate(number=Count("pk")))}
    total = sum(counts.values())
    numbers = {kind: sum(counts[state] for state in states) for kind, _, states in _KINDS}
    return RolloutProgress(
        total=total,
        ended=sum(counts[state] for state in SETTLED),
        succeeded=numbers["good"],
        failures=numbers["bad"],
        counts=counts,
        segments=[
            Segment(kind, label, numbers[kind], 100 * numbers[kind] / total)
            for kind, label, _ in _KINDS
            if numbers[kind]
        ],
    )
