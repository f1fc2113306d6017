"""The admin's pages of gateways."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from ota_py.server.admin_base import FactsInline, ModelAdmin, ShownState
from ota_py.server.badges import NOTHING, ago, badge
from ota_py.server.fleet.forms import GatewayForm
from ota_py.server.fleet.models import Gateway
from ota_py.server.fleet.presence import online, online_filter
from ota_py.server.fleet.services import rotate_token
from ota_py.server.rollouts.models import RolloutGateway


class OnlineFilter(admin.SimpleListFilter):
    """Filter of gateways that were seen lately, or not."""

    title = "online"
    parameter_name = "online"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The filter's choices: yes and no."""
        return [("yes", "online"), ("no", "offline")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Gateway]) -> QuerySet[Gateway]:
        """The gateways of the chosen value."""
        if self.value() == "yes":
            return queryset.filter(online_filter(timezone.now()))
        return queryset.exclude(online_filter(timezone.now())) if self.value() == "no" else queryset


class DiffersFilter(admin.SimpleListFilter):
    """Filter of gateways that run other images than their update names, or not."""

    title = "images"
    parameter_name = "differs"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The filter's choices: yes and no."""
        return [("yes", "differ from the update"), ("no", "are those of the update")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Gateway]) -> QuerySet[Gateway]:
        """The gateways of the chosen value."""
        if self.value() == "yes":
            return queryset.exclude(differing=[])
        return queryset.filter(differing=[]) if self.value() == "no" else queryset


class ResultsOfGateway(FactsInline):
    """The gateway's result in each rollout."""

    model = RolloutGateway
    verbose_name_plural = "rollouts"
    fields = (
        "rollout",
        "batch",
        "shown_state",
        "step",
        "from_version",
        "reason",
        "finished_at",
    )
    ordering = ("-rollout",)


@admin.register(Gateway)
class GatewayAdmin(ShownState, ModelAdmin):
    """The page of gateways: operators name, group and address them; what they run is reported."""

    form = GatewayForm
    list_display = (
        "id",
        "shown_online",
        "shown_state",
        "shown_notes",
        "version",
        "delivery",
        "shown_groups",
        "architecture",
        "seen",
    )
    list_filter = (OnlineFilter, DiffersFilter, "state", "version", "delivery", "hardware", "architecture")
    search_fields = ("id", "address", "hardware", "version")
    search_help_text = "Id, address, hardware or version"
    list_per_page = 50
    inlines = (ResultsOfGateway,)
    actions = ("new_token",)
    fieldsets = (
        (None, {"fields": ("id", "delivery", "address", "groups", "hardware")}),
        (
            "Reported",
            {"fields": ("shown_online", "seen", "shown_state", "version", "shown_digests", "shown_notes")},
        ),
        ("Machine", {"fields": ("architecture", "agent_version", "disk_free_bytes", "created_at")}),
    )
    readonly_fields = (
        "shown_online",
        "seen",
        "shown_state",
        "version",
        "shown_digests",
        "shown_notes",
        "architecture",
        "agent_version",
        "disk_free_bytes",
        "created_at",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Gateway | None = None) -> tuple[str, ...]:
        """The read-only fields; the id is one of them once the gateway exists."""
        return (*self.readonly_fields, "id") if obj else self.readonly_fields

    @admin.display(description="online")
    def shown_online(self, gateway: Gateway) -> SafeString | str:
        """The gateway's presence as a badge."""
        return badge("online" if online(gateway, timezone.now()) else "offline")

    @admin.display(description="groups")
    def shown_groups(self, gateway: Gateway) -> str:
        """The gateway's groups, separated by commas."""
        return ", ".join(gateway.groups) or NOTHING

    @admin.display(description="digests")
    def shown_digests(self, gateway: Gateway) -> str:
        """The digest of each service, one a line."""
        return "\n".join(f"{service}: {digest}" for service, digest in sorted(gateway.digests.items())) or NOTHING

    @admin.display(description="notes")
    def shown_notes(self, gateway: Gateway) -> SafeString | str:
        """Notes on other images than the update's, expired metadata and altered files, with the details on hover."""
        differs = f"another image than the update names: {', '.join(gateway.differing)}"
        notes = [("differs", differs)] if gateway.differing else []
        notes += [("stale", gateway.freshness_problem)] if gateway.freshness_problem else []
        notes += [("files changed", gateway.files_problem)] if gateway.files_problem else []
        lines = ((text, badge(word)) for word, text in notes)
        return format_html_join(" ", '<span title="{}">{}</span>', lines) or NOTHING

    @admin.display(description="last seen", ordering="last_seen")
    def seen(self, gateway: Gateway) -> SafeString | str:
        """The time since the gateway was last seen."""
        return ago(gateway.last_seen)

    @admin.action(description="Give a new token (the old one is revoked)", permissions=["change"])
    def new_token(self, request: HttpRequest, queryset: QuerySet[Gateway]) -> None:
        """Give each selected gateway a new token, shown once, in the message."""
        for gateway in queryset:
            token = rotate_token(gateway.pk)
            messages.warning(request, f"New token of {gateway.pk}, shown only now: {token}")
