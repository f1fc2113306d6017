"""Django's registration of this part."""

from __future__ import annotations

from django.apps import AppConfig


class UpdatesConfig(AppConfig):
    """See models.py."""

    name = "ota_py.server.updates"
    verbose_name = "Updates"
