"""Django's registration of this part."""

from __future__ import annotations

from django.apps import AppConfig


class RolloutsConfig(AppConfig):
    """See models.py."""

    name = "ota_py.server.rollouts"
    verbose_name = "Rollouts"
