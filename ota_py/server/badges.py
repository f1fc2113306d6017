"""Small pieces of HTML that the admin's pages share: badges, bars, rates, times."""

from __future__ import annotations

from datetime import datetime

from django.template.defaultfilters import date
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from ota_py.contract.fleet import (
    ActKind,
    FreshnessState,
    GatewayResult,
    GatewayState,
    RolloutState,
    TokenState,
    UpdateState,
)
from ota_py.contract.reports import ReportKind
from ota_py.contract.transactions import State
from ota_py.server.rollouts.progress import RolloutProgress

NOTHING = "-"
JUST_NOW_SECONDS = 60
# One colour for each meaning, the same on every page.
KINDS: dict[str, set[str]] = {
    "good": {
        *(State.COMMITTED, GatewayResult.SUCCEEDED, RolloutState.COMPLETED, UpdateState.RELEASED, GatewayState.IDLE),
        *(FreshnessState.FRESH, TokenState.VALID, "online"),
    },
    "bad": {
        *(State.FAILED, State.ROLLED_BACK, State.BROKEN, GatewayResult.FAILED, GatewayResult.ROLLED_BACK),
        *(GatewayState.BROKEN, RolloutState.ABORTED, UpdateState.WITHDRAWN, ReportKind.ALARM),
        *(FreshnessState.EXPIRED, TokenState.REVOKED, "differs"),
    },
    "busy": {RolloutState.RUNNING, GatewayState.UPDATING, GatewayResult.UPDATING, GatewayResult.ASSIGNED},
    "late": {
        *(State.ROLLING_BACK, GatewayResult.DEFERRED, RolloutState.PAUSED, ReportKind.HELD),
        *(ActKind.DEFERRED, ActKind.HINT_FAILED, FreshnessState.EXPIRING, "stale", "files changed"),
    },
}


def badge(state: str) -> SafeString | str:
    """A badge: a state as a coloured word."""
    if not state:
        return NOTHING
    kind = next((kind for kind, states in KINDS.items() if state in states), "waiting")
    words = state.replace("_", " ").lower()
    return format_html('<span class="ota-badge ota-{}">{}</span>', kind, words)


def bar(progress: RolloutProgress) -> SafeString:
    """A rollout's progress bar."""
    segments = format_html_join(
        "",
        '<span class="ota-{}" style="width:{}%" title="{} {}"></span>',
        ((s.kind, f"{s.percent:.2f}", s.number, s.label) for s in progress.segments),
    )
    text = f"{progress.ended} of {progress.total}"
    return format_html(
        '<span class="ota-progress"><span class="ota-bar" role="img" aria-label="{}">{}</span> {}</span>',
        text,
        segments,
        text,
    )


def rate(value: float | None) -> str:
    """A share as a percentage."""
    return NOTHING if value is None else f"{100 * value:.0f}%" if value in (0, 1) else f"{100 * value:.1f}%"


def ago(moment: datetime | None) -> SafeString | str:
    """The time since a moment in words, with the exact time on hover."""
    if moment is None:
        return "never"
    exact = date(moment, "Y-m-d H:i:s") + " UTC"
    seconds = (timezone.now() - moment).total_seconds()
    text = "just now" if seconds < JUST_NOW_SECONDS else f"{timesince(moment, depth=1)} ago"
    return format_html('<span title="{}">{}</span>', exact, text)
