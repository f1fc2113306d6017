"""The admin's site: Django's, with a front page that shows the fleet."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from ota_py.contract.fleet import FreshnessState

ROLLOUTS_SHOWN = 8
UPDATES_SHOWN = 8
ROLLBACKS_SHOWN = 6


class OtaAdminConfig(AdminConfig):
    """Django's admin app with our site."""

    default_site = "ota_py.server.site.OtaAdminSite"


class OtaAdminSite(AdminSite):
    """The admin's site, whose front page shows fleet, rollouts, success rates and rollbacks."""

    site_header = "OTA control plane"
    site_title = "OTA control plane"
    index_title = "Fleet"
    index_template = "admin/fleet_index.html"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The sign-in form; what it is sent waits for its turn (signin.py)."""
        from ota_py.server.http.signin import remember_device, wait_for_turn

        if request.method != "POST":
            return super().login(request, extra_context)
        return wait_for_turn(request) or remember_device(request, super().login(request, extra_context))

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The front page with figures, for those who may see the records behind them."""
        figures = _figures() if request.user.has_perm("rollouts.view_rollout") else {}
        return super().index(request, {**figures, **(extra_context or {})})


def _figures() -> dict[str, Any]:
    # Imported here, because Django reads this module before it has loaded the models.
    from ota_py.server import statistics
    from ota_py.server.freshness import freshness
    from ota_py.server.rollouts.models import Rollout
    from ota_py.server.rollouts.progress import progress_of

    signatures = freshness()
    rollouts = Rollout.objects.select_related("update_record")[:ROLLOUTS_SHOWN]
    return {
        "signatures": signatures,
        "warned": [role for role in signatures["roles"] if role["state"] != FreshnessState.FRESH],
        "fleet": statistics.fleet_figures(),
        "rollouts": [(rollout, progress_of(rollout)) for rollout in rollouts],
        "updates": statistics.update_figures()[:UPDATES_SHOWN],
        "rollbacks": statistics.last_rollbacks()[:ROLLBACKS_SHOWN],
    }
