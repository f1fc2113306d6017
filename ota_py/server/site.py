"""The admin's site."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class OtaAdminConfig(AdminConfig):
    """Django's admin with our front page."""
