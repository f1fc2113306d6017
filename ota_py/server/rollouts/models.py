"""The records of a rollout and of its gateways."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ota_py.contract.fleet import Delivery, GatewayResult, RolloutState
from ota_py.server.choices import choices
from ota_py.server.fleet.models import Gateway
from ota_py.server.rollouts.states import UNDERWAY
from ota_py.server.updates.models import Update


class Rollout(models.Model):
    """A rollout: one update brought to a set of gateways, batch by batch."""

    update_record = models.ForeignKey(Update, on_delete=models.PROTECT, related_name="rollouts", verbose_name="update")
    state = models.CharField(
        max_length=9,
        choices=choices(RolloutState),
        default=RolloutState.PENDING.value,
        db_index=True,
        editable=False,
    )
    reason = models.TextField(blank=True, help_text="Why it is paused or aborted.")
    stagger_minutes = models.FloatField(default=0, help_text="Between two batches.")
    max_failures = models.CharField(max_length=8, default="0", help_text="A count, or a percentage.")
    # Failures that an operator has seen and accepted by resuming; the gate counts from there.
    accepted_failures = models.PositiveIntegerField(default=0)
    batch_sizes = models.JSONField(default=list)
    created_by = models.CharField(max_length=160, blank=True)
    # Who runs it: a second controller is refused while the first one holds it.
    controller = models.CharField(max_length=160, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Order: newest first."""

        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Rollout {self.pk} of {self.update_record_id}"


class RolloutGateway(models.Model):
    """The result of one gateway in one rollout."""

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="gateways")
    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT, related_name="results")
    batch = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    delivery = models.CharField(max_length=4, choices=choices(Delivery))
    state = models.CharField(max_length=11, choices=choices(GatewayResult), default=GatewayResult.PENDING.value)
    step = models.CharField(max_length=16, blank=True, help_text="The engine's last state.")
    reason = models.TextField(blank=True)
    from_version = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # Place of the newest report applied (see events/order.py).
    transaction = models.CharField(max_length=36, blank=True)
    report_seq = models.BigIntegerField(default=0, editable=False)
    report_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """Order: that of the plan. The poll's lookup has an index of its own, small because partial."""

        verbose_name = "result"
        ordering = ("rollout", "batch", "position")
        constraints = (models.UniqueConstraint(fields=("rollout", "gateway"), name="once_per_rollout"),)
        indexes = (
            models.Index(fields=("rollout", "state"), name="rollout_state"),
            models.Index(fields=("gateway",), condition=Q(state__in=sorted(UNDERWAY)), name="gateway_underway"),
        )

    def __str__(self) -> str:
        return f"{self.gateway_id} in rollout {self.rollout_id}"
