"""Django's registration of the app `tokens`."""

from __future__ import annotations

from django.apps import AppConfig


class TokensConfig(AppConfig):
    """The app of API tokens; see models.py."""

    name = "ota_py.server.tokens"
    verbose_name = "API access"
