"""Django's registration of this part."""

from __future__ import annotations

from django.apps import AppConfig


class FleetConfig(AppConfig):
    """See models.py."""

    name = "ota_py.server.fleet"
    verbose_name = "Gateways"
