"""Django's registration of the app `events`."""

from __future__ import annotations

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """The app of events; see models.py."""

    name = "ota_py.server.events"
    verbose_name = "Events"
