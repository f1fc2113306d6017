"""The repository's freshness in the API, and the warning on the admin's front page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from ota_py.server.environment import ServerSettings
from tests.support.server.world import World


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = tmp_path / "freshness.json"
    monkeypatch.setattr(settings, "SERVER", ServerSettings(freshness_file=path))

    def note(state: str, days: float) -> None:
        expires = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        role = {"role": "release", "expires": expires, "state": state, "to_do": "the holder: renew <it>"}
        shown = {"checked_at": datetime.now(UTC).isoformat(), "problem": "", "roles": [role]}
        path.write_text(json.dumps(shown))

    return note


def test_nobody_looked_yet(world: World, noted: Any, admin_client: Client) -> None:
    shown = world.reader.ok("GET", "/freshness")
    assert shown == {"checked_at": None, "problem": "nobody has looked yet", "roles": []}
    assert "nobody has looked yet" in admin_client.get("/admin/").content.decode()


def test_a_token_is_needed(world: World) -> None:
    assert world.nobody.get("/freshness").status_code == 401


def test_what_expires_soon_is_a_warning_on_the_front_page(world: World, noted: Any, admin_client: Client) -> None:
    noted("fresh", 60)
    assert "messagelist" not in admin_client.get("/admin/").content.decode()
    noted("expiring", 20)
    page = admin_client.get("/admin/").content.decode()
    assert "The signatures of the release key expire on" in page
    assert "To do: the holder: renew &lt;it&gt;" in page
    assert world.reader.ok("GET", "/freshness")["roles"][0]["state"] == "expiring"


def test_what_expired_since_it_was_looked_at_is_told_as_such(world: World, noted: Any, admin_client: Client) -> None:
    noted("fresh", -1)
    assert world.reader.ok("GET", "/freshness")["roles"][0]["state"] == "expired"
    assert "gateways refuse new updates and keep what runs" in admin_client.get("/admin/").content.decode()
