"""Django's registration of this part."""

from __future__ import annotations

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """See models.py."""

    name = "ota_py.server.events"
    verbose_name = "Events"
