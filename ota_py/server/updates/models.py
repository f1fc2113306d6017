"""The control plane's record of an update, which is not the signed manifest."""

from __future__ import annotations

from typing import get_args

from django.core.validators import RegexValidator
from django.db import models

from ota_py import manifest, names
from ota_py.contract.fleet import UpdateState
from ota_py.server.choices import choices


class Update(models.Model):
    """An update, one released version. Gateways trust the repository's signature, never this row."""

    version = models.CharField(primary_key=True, max_length=names.VERSION_MAX_CHARS)
    description = models.TextField(max_length=manifest.DESCRIPTION_MAX_CHARS, blank=True)
    critical = models.BooleanField(default=False)
    state = models.CharField(
        max_length=9, choices=choices(UpdateState), default=UpdateState.STAGED.value, db_index=True
    )
    manifest_sha256 = models.CharField(max_length=64, validators=[RegexValidator(r"^[0-9a-f]{64}$")])
    key_ids = models.JSONField(default=list)
    images = models.JSONField(default=dict)
    agent_version = models.CharField(
        max_length=names.VERSION_MAX_CHARS, blank=True, help_text="Of the gateway software that it brings."
    )
    migrates = models.BooleanField(default=False, help_text="Changes data so that the old version cannot read it.")
    on_rollback = models.CharField(
        max_length=7,
        choices=[(choice, choice) for choice in get_args(manifest.OnRollback)],
        default="restore",
        help_text="What a rollback does to the databases.",
    )
    hooks = models.JSONField(default=list, help_text="Points at which it runs commands of its own, in order.")
    sbom = models.JSONField(default=list, help_text="Software bills of materials, by service.")
    created = models.DateTimeField(help_text="When the manifest was made.")
    registered_at = models.DateTimeField(auto_now_add=True)
    released_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Order: newest first."""

        ordering = ("-created",)

    def __str__(self) -> str:
        return self.version
