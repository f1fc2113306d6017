"""The admin's pages of updates."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from ota_py.contract.fleet import GatewayResult
from ota_py.server.admin_base import FactsAdmin
from ota_py.server.badges import NOTHING, rate
from ota_py.server.rollouts.lifecycle import withdraw
from ota_py.server.rollouts.states import FAILURES
from ota_py.server.updates.models import Update


@admin.register(Update)
class UpdateAdmin(FactsAdmin):
    """The page of updates, which create-update registers; here they are viewed and withdrawn."""

    list_display = (
        "version",
        "shown_state",
        "critical",
        "description",
        "succeeded",
        "failures",
        "success",
        "created",
    )
    list_filter = ("state", "critical")
    search_fields = ("version", "description")
    actions = ("withdraw",)
    exclude = ("state", "images", "sbom", "key_ids")
    readonly_fields = (
        "shown_state",
        "shown_images",
        "shown_sbom",
        "shown_signers",
        "succeeded",
        "failures",
        "success",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The updates, each with the results of all its rollouts."""
        found = super().get_queryset(request)
        state = "rollouts__gateways__state"
        counted: QuerySet[Any] = found.annotate(
            succeeded=Count("rollouts__gateways", filter=Q(**{state: GatewayResult.SUCCEEDED})),
            failures=Count("rollouts__gateways", filter=Q(**{f"{state}__in": FAILURES})),
        )
        return counted

    @admin.display(description="succeeded", ordering="succeeded")
    def succeeded(self, update: Any) -> int:
        """The number of gateways that succeeded."""
        return int(update.succeeded)

    @admin.display(description="rolled back or failed", ordering="failures")
    def failures(self, update: Any) -> int:
        """The number of gateways that rolled back or failed."""
        return int(update.failures)

    @admin.display(description="success rate")
    def success(self, update: Any) -> str:
        """The success rate in all rollouts."""
        tried = update.succeeded + update.failures
        return rate(update.succeeded / tried if tried else None)

    @admin.display(description="images")
    def shown_images(self, update: Update) -> SafeString | str:
        """The image of each service, one a line."""
        lines = ((service, image["reference"], image["digest"]) for service, image in sorted(update.images.items()))
        return format_html_join("", "<div><b>{}</b> {}<br><code>{}</code></div>", lines) or NOTHING

    @admin.display(description="SBOM")
    def shown_sbom(self, update: Update) -> SafeString | str:
        """The SBOMs, one a line."""
        lines = ((each["service"] or "update", each["format"], each["sha256"]) for each in update.sbom)
        return format_html_join("", "<div><b>{}</b> {}<br><code>sha256:{}</code></div>", lines) or NOTHING

    @admin.display(description="signed by")
    def shown_signers(self, update: Update) -> SafeString | str:
        """The key ids of the signers, one a line."""
        return format_html_join("", "<div><code>{}</code></div>", ((key,) for key in update.key_ids)) or NOTHING

    @admin.action(description="Withdraw (ends its rollouts, for good)", permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Update]) -> None:
        """Withdraw each selected update."""
        for update in queryset:
            withdraw(update.version)
            messages.success(request, f"Update {update.version} is withdrawn.")
