"""Loads the control plane's database, for the target `api`."""

from __future__ import annotations

from tests.support.server.fixtures import django_db_modify_db_settings, presence_is_flushed_by_hand

__all__ = ["django_db_modify_db_settings", "presence_is_flushed_by_hand"]
