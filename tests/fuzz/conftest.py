"""The control plane for the target `api`, on the database that its own tests use."""

from __future__ import annotations

from tests.server.conftest import _presence_is_flushed_by_hand, django_db_modify_db_settings  # noqa: F401
