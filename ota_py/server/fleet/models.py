"""The gateway as the control plane knows it."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from ota_py import names
from ota_py.contract.fleet import Delivery, GatewayState
from ota_py.server.choices import choices

# Addresses end up in Ansible's inventory, which is a template: nothing but a host name or an IP address.
ADDRESS = r"^[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,252})$"

# Of a gateway's report on metadata that expired; the rest of a longer text is left out.
FRESHNESS_MAX_CHARS = 500
FILES_PROBLEM_MAX_CHARS = 500


class Gateway(models.Model):
    """A gateway, one edge device. What it runs is known from its own reports alone."""

    id = models.CharField(primary_key=True, max_length=63, validators=[RegexValidator(names.GATEWAY_ID)])
    delivery = models.CharField(max_length=4, choices=choices(Delivery), default=Delivery.PULL.value)
    address = models.CharField(max_length=253, blank=True, validators=[RegexValidator(ADDRESS)])
    groups = models.JSONField(default=list, blank=True)
    hardware = models.CharField(max_length=63, blank=True, validators=[RegexValidator(names.GROUP)])
    architecture = models.CharField(max_length=32, blank=True)
    version = models.CharField(max_length=names.VERSION_MAX_CHARS, blank=True, db_index=True)
    digests = models.JSONField(default=dict, blank=True)
    differing = models.JSONField(
        default=list, blank=True, help_text="Services that run another image than the update names."
    )
    freshness_problem = models.CharField(
        max_length=FRESHNESS_MAX_CHARS, blank=True, help_text="Why it refuses new updates."
    )
    files_problem = models.CharField(
        max_length=FILES_PROBLEM_MAX_CHARS, blank=True, help_text="How its project differs from the recorded baseline."
    )
    agent_version = models.CharField(max_length=names.VERSION_MAX_CHARS, blank=True)
    disk_free_bytes = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(
        max_length=8, choices=choices(GatewayState), default=GatewayState.UNKNOWN.value, db_index=True
    )
    last_seen = models.DateTimeField(null=True, blank=True, db_index=True)
    offline_at = models.DateTimeField(null=True, editable=False, help_text="When its agent left the broker.")
    created_at = models.DateTimeField(auto_now_add=True)
    # Place of the newest report that version, digests and state were taken from (see events/order.py).
    report_seq = models.BigIntegerField(default=0, editable=False)
    report_at = models.DateTimeField(null=True, editable=False)
    report_transaction = models.CharField(max_length=36, blank=True, editable=False)

    class Meta:
        """Order: by id."""

        ordering = ("id",)

    def __str__(self) -> str:
        return self.id
