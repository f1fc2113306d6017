"""Django's registration of the app `updates`."""

from __future__ import annotations

from django.apps import AppConfig


class UpdatesConfig(AppConfig):
    """The app of updates; see models.py."""

    name = "ota_py.server.updates"
    verbose_name = "Updates"
