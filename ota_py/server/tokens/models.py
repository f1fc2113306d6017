"""Bearer tokens of the API, kept as hashes."""

from __future__ import annotations

from django.db import models

from ota_py.server.fleet.models import Gateway


class Role(models.TextChoices):
    """Role of a token, which permits everything, to read everything, or one gateway's own paths."""

    OPERATOR = "operator"
    READER = "reader"
    GATEWAY = "gateway"


class ApiToken(models.Model):
    """A token's hash. The token itself is shown once, when it is made."""

    name = models.CharField(max_length=80)
    role = models.CharField(max_length=8, choices=Role)
    gateway = models.ForeignKey(Gateway, null=True, blank=True, on_delete=models.CASCADE, related_name="tokens")
    # 256 random bits need no salt and no slow hash: there is nothing to guess.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Constraint: a gateway's token names its gateway; the others name none."""

        verbose_name = "API token"
        ordering = ("-created_at",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(role=Role.GATEWAY, gateway__isnull=False)
                | (~models.Q(role=Role.GATEWAY) & models.Q(gateway__isnull=True)),
                name="token_role_fits_gateway",
                violation_error_message="A gateway's token names its gateway; the other roles name none.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"
