"""The admin's pages of rollouts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from ota_py.errors import OtaError
from ota_py.server.admin_base import FactsAdmin, FactsInline
from ota_py.server.badges import bar, rate
from ota_py.server.rollouts import lifecycle
from ota_py.server.rollouts.models import Rollout, RolloutGateway
from ota_py.server.rollouts.plan import allowed_failures
from ota_py.server.rollouts.progress import RolloutProgress, progress_of
from ota_py.server.rollouts.states import ABORT, PAUSE

# More gateways than this are shown on a page of their own, with search and filters.
INLINE_GATEWAYS_MAX = 200
ACTS = {PAUSE.verb: lifecycle.pause, ABORT.verb: lifecycle.abort}


class ResultsOfRollout(FactsInline):
    """The result of each gateway in the rollout."""

    model = RolloutGateway
    verbose_name_plural = "gateways"
    fields = (
        "batch",
        "gateway",
        "delivery",
        "shown_state",
        "step",
        "from_version",
        "started_at",
        "finished_at",
        "reason",
    )


@admin.register(Rollout)
class RolloutAdmin(FactsAdmin):
    """The page of rollouts, which ota_manager makes and runs; here they are watched, paused and aborted."""

    list_display = (
        "id",
        "update_record",
        "shown_state",
        "progress",
        "failures",
        "success",
        "started_at",
    )
    list_display_links = ("id", "update_record")
    list_filter = ("state",)
    list_select_related = ("update_record",)
    search_fields = ("=id", "update_record__version", "=gateways__gateway__id")
    search_help_text = "Rollout, version or gateway"
    actions = ("pause_selected", "abort_selected")
    inlines = (ResultsOfRollout,)
    change_form_template = "admin/rollout.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "update_record",
                    "created_by",
                    "controller",
                    "created_at",
                    "started_at",
                    "finished_at",
                )
            },
        ),
        ("Plan", {"fields": ("batch_sizes", "stagger_minutes", "max_failures", "accepted_failures")}),
    )
    readonly_fields = ("created_at",)

    def get_inlines(self, request: HttpRequest, obj: Rollout | None) -> Any:
        """The gateways on the page itself, as long as it stays readable."""
        few = obj is not None and obj.gateways.count() <= INLINE_GATEWAYS_MAX
        return self.inlines if few else ()

    def get_urls(self) -> list[URLPattern]:
        """The page's addresses, with that of its buttons."""
        act = path("<int:rollout_id>/act/", self.admin_site.admin_view(self.act), name="rollout_act")
        return [act, *super().get_urls()]

    def act(self, request: HttpRequest, rollout_id: int) -> HttpResponse:
        """Pause or abort a rollout, by a button of its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if self.has_change_permission(request):
            reason = request.POST.get("reason", "").strip()[:2000]
            self._act(request, str(request.POST.get("verb")), rollout_id, reason)
        else:
            messages.error(request, "You may look at rollouts, not change them.")
        return HttpResponseRedirect(reverse("admin:rollouts_rollout_change", args=[rollout_id]))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one rollout, with its progress on top."""
        rollout = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if isinstance(rollout, Rollout):
            progress = progress_of(rollout)
            context |= {
                "progress": progress,
                "allowed": allowed_failures(rollout.max_failures, progress.total),
                "verbs": [act.verb for act in (PAUSE, ABORT) if rollout.state in act.sources],
                "may_act": self.has_change_permission(request, rollout),
                "inline_max": INLINE_GATEWAYS_MAX,
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @admin.display(description="progress")
    def progress(self, rollout: Rollout) -> SafeString:
        """The rollout's progress as a bar."""
        return bar(_progress(rollout))

    @admin.display(description="failed")
    def failures(self, rollout: Rollout) -> int:
        """The number of gateways that rolled back or failed."""
        return _progress(rollout).failures

    @admin.display(description="success")
    def success(self, rollout: Rollout) -> str:
        """The success rate among the gateways that were tried."""
        return rate(_progress(rollout).success_rate)

    @admin.action(description="Pause", permissions=["change"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Rollout]) -> None:
        """Pause each selected rollout."""
        for rollout in queryset:
            self._act(request, PAUSE.verb, rollout.pk)

    @admin.action(description="Abort, for good", permissions=["change"])
    def abort_selected(self, request: HttpRequest, queryset: QuerySet[Rollout]) -> None:
        """Abort each selected rollout."""
        for rollout in queryset:
            self._act(request, ABORT.verb, rollout.pk)

    def _act(self, request: HttpRequest, verb: str, rollout_id: int, reason: str = "") -> None:
        if verb not in ACTS:
            messages.error(request, f"There is no act {verb[:20]!r}.")
            return
        try:
            rollout = ACTS[verb](rollout_id, reason or f"by {request.user.get_username()}")
        except OtaError as error:
            messages.error(request, f"{error.message}.")
        else:
            messages.success(request, f"Rollout {rollout.pk} is {rollout.state}.")


def _progress(rollout: Rollout) -> RolloutProgress:
    """The rollout's progress, counted once for all columns of its row."""
    known = vars(rollout)
    if "counted_progress" not in known:
        known["counted_progress"] = progress_of(rollout)
    progress: RolloutProgress = known["counted_progress"]
    return progress


@admin.register(RolloutGateway)
class ResultAdmin(FactsAdmin):
    """The page of gateways' results in rollouts, to search and filter."""

    list_display = (
        "gateway",
        "rollout",
        "batch",
        "shown_state",
        "step",
        "from_version",
        "finished_at",
        "reason",
    )
    list_filter = ("state", "delivery", "rollout__state")
    list_select_related = ("gateway", "rollout__update_record")
    search_fields = ("gateway__id", "=rollout__id", "=rollout__update_record__version", "reason")
    search_help_text = "Gateway, rollout, version, or words of the reason"
