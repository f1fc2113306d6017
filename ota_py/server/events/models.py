"""The table of events."""

from __future__ import annotations

from django.db import models

from ota_py.contract.fleet import ActKind
from ota_py.contract.reports import ReportKind
from ota_py.server.choices import choices
from ota_py.server.events.actor import ACTOR_MAX_CHARS
from ota_py.server.fleet.models import Gateway
from ota_py.server.rollouts.models import Rollout


class Event(models.Model):
    """An event that is on record. A gateway's report carries its own id, by which it is counted once."""

    kind = models.CharField(max_length=11, choices=choices(ReportKind, ActKind), db_index=True)
    at = models.DateTimeField(help_text="By the clock of the one who says so.")
    recorded_at = models.DateTimeField(auto_now_add=True)
    gateway = models.ForeignKey(Gateway, null=True, blank=True, on_delete=models.CASCADE, related_name="events")
    rollout = models.ForeignKey(Rollout, null=True, blank=True, on_delete=models.CASCADE, related_name="events")
    report_id = models.UUIDField(null=True, blank=True)
    seq = models.BigIntegerField(null=True, blank=True)
    transaction = models.CharField(max_length=36, blank=True)
    version = models.CharField(max_length=64, blank=True)
    from_version = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=16, blank=True, db_index=True)
    reason = models.TextField(blank=True)
    by = models.CharField(
        max_length=ACTOR_MAX_CHARS, blank=True, db_default="", help_text="The token or user whose act it is."
    )
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        """Order: newest first. A report's id counts within its gateway, so that none can take another's."""

        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("gateway", "report_id"), name="report_counted_once"),)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.state, self.version, self.reason)))[:120]
