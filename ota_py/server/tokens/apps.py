"""Django's registration of this part."""

from __future__ import annotations

from django.apps import AppConfig


class TokensConfig(AppConfig):
    """See models.py."""

    name = "ota_py.server.tokens"
    verbose_name = "API access"
