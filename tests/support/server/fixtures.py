"""A control plane on a real database: SQLite, or PostgreSQL by `OTA_TEST_POSTGRES_URL`.

`OTA_TEST_POSTGRES_URL=temporary` makes a PostgreSQL server for the run.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

_resources = ExitStack()
atexit.register(_resources.close)


def _database_url() -> str:
    from tests.support.server.postgres import temporary_server

    url = os.environ.get("OTA_TEST_POSTGRES_URL", "")
    if url == "temporary":
        return _resources.enter_context(temporary_server())
    directory = _resources.enter_context(tempfile.TemporaryDirectory(prefix="ota-sqlite-"))
    return url or f"sqlite:///{directory}/control-plane.sqlite3"


os.environ["OTA_SERVER_DATABASE"] = _database_url()
os.environ["DJANGO_SETTINGS_MODULE"] = "ota_py.server.settings"

import django  # noqa: E402

django.setup()

from tests.support.server.world import World  # noqa: E402


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """A file for SQLite: threads share it, and WAL is on, as in earnest."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"] = {**database.get("TEST", {}), "NAME": f"{database['NAME']}-test"}


@pytest.fixture
def world(db: None) -> World:
    """Tokens of every role, and short ways to make gateways, updates and rollouts."""
    return World()


@pytest.fixture
def committed_world(transactional_db: None) -> World:
    """The same, with every change committed: for tests with threads."""
    return World()


@pytest.fixture(autouse=True)
def presence_is_flushed_by_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The thread's own connection would wait for the test's transaction, and outlive the test."""
    from ota_py.server.fleet.presence import LastSeen, last_seen

    monkeypatch.setattr(LastSeen, "_start", lambda self: None)
    yield
    last_seen._seen.clear()
    last_seen._used.clear()


@pytest.fixture(autouse=True)
def full_quotas() -> None:
    """Every gateway may report as if it never had: tests have gateways of the same names."""
    from ota_py.server.events.quota import quota

    quota._full_at.clear()
