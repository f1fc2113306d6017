"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.server.fixtures import (
    committed_world,
    django_db_modify_db_settings,
    full_quotas,
    presence_is_flushed_by_hand,
    world,
)

__all__ = ["committed_world", "django_db_modify_db_settings", "full_quotas", "presence_is_flushed_by_hand", "world"]
