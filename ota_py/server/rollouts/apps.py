"""Django's registration of the app `rollouts`."""

from __future__ import annotations

from django.apps import AppConfig


class RolloutsConfig(AppConfig):
    """The app of rollouts; see models.py."""

    name = "ota_py.server.rollouts"
    verbose_name = "Rollouts"
