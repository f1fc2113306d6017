"""The admin's pages of events."""

from __future__ import annotations

import json

from django.contrib import admin
from django.template.defaultfilters import truncatechars
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ota_py.server.admin_base import FactsAdmin
from ota_py.server.badges import badge
from ota_py.server.events.models import Event

REASON_CHARS = 120


@admin.register(Event)
class EventAdmin(FactsAdmin):
    """The page of events, the newest first."""

    list_display = (
        "recorded_at",
        "shown_kind",
        "gateway",
        "rollout_id",
        "version",
        "shown_state",
        "shown_reason",
        "by",
    )
    list_filter = ("kind", "state", ("recorded_at", admin.DateFieldListFilter))
    list_select_related = ("gateway",)
    list_per_page = 50
    search_fields = ("=gateway__id", "=rollout__id", "=transaction", "=version", "reason", "by")
    search_help_text = "Gateway, rollout, transaction, version, or words of the reason"
    exclude = ("details",)
    readonly_fields = ("recorded_at", "shown_details")
    show_full_result_count = False

    @admin.display(description="kind", ordering="kind")
    def shown_kind(self, event: Event) -> SafeString | str:
        """The event's kind as a badge."""
        return badge(event.kind)

    @admin.display(description="reason")
    def shown_reason(self, event: Event) -> str:
        """The beginning of the reason; the event's page has it all."""
        return truncatechars(event.reason, REASON_CHARS)

    @admin.display(description="details")
    def shown_details(self, event: Event) -> SafeString:
        """The details as indented JSON."""
        return format_html("<pre>{}</pre>", json.dumps(event.details, indent=2, sort_keys=True, ensure_ascii=False))
