"""Bearer tokens of the API, kept as hashes."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from ota_py.contract.fleet import TokenRole, TokenState
from ota_py.server.choices import choices
from ota_py.server.events.actor import ACTOR_MAX_CHARS
from ota_py.server.fleet.models import Gateway


class ApiToken(models.Model):
    """A token's hash. The token itself is shown once, when it is made."""

    name = models.CharField(max_length=80)
    role = models.CharField(max_length=8, choices=choices(TokenRole))
    gateway = models.ForeignKey(Gateway, null=True, blank=True, on_delete=models.CASCADE, related_name="tokens")
    # 256 random bits need no salt and no slow hash: there is nothing to guess.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=ACTOR_MAX_CHARS, blank=True, editable=False, db_default="")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it holds until it is revoked.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=ACTOR_MAX_CHARS, blank=True, editable=False, db_default="")
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """Constraint: a gateway's token names its gateway; the others name none."""

        verbose_name = "API token"
        ordering = ("-created_at",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(role=TokenRole.GATEWAY.value, gateway__isnull=False)
                | (~models.Q(role=TokenRole.GATEWAY.value) & models.Q(gateway__isnull=True)),
                name="token_role_fits_gateway",
                violation_error_message="A gateway's token names its gateway; the other roles name none.",
            ),
        )

    @property
    def label(self) -> str:
        """How records of acts name it: names need not be unique, so with its number."""
        return f"{self.name}#{self.pk}"

    @property
    def state(self) -> TokenState:
        """The token's state now."""
        if self.revoked_at:
            return TokenState.REVOKED
        return TokenState.EXPIRED if self.expires_at and self.expires_at <= timezone.now() else TokenState.VALID

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"
