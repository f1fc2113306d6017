"""Django's registration of the app `fleet`."""

from __future__ import annotations

from django.apps import AppConfig


class FleetConfig(AppConfig):
    """The app of gateways; see models.py."""

    name = "ota_py.server.fleet"
    verbose_name = "Gateways"
