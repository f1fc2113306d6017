"""Marks of gateways that run other images than their update names, or whose metadata expired."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.support.server.world import DIGEST, World, moment, report

OTHER = "sha256:" + "b" * 64


def status(gateway: str, seq: int, **details: Any) -> dict[str, Any]:
    return report(gateway, seq=seq, at=moment(seq), kind="status", state="", details=details)


@pytest.fixture
def runs(world: World) -> Any:
    """Gateways that run 1.1.0, and report the digest of one service each."""
    world.update("1.1.0", images={"app": {"reference": "r.example/app:1.1.0", "digest": DIGEST, "size": 1}})
    for gateway in world.fleet(2):
        world.report(gateway, [status(gateway, seq=1, version="1.1.0", digests={"app": DIGEST})])

    def reports(digest: str | None, seq: int, **more: Any) -> None:
        digests = {"app": digest, "other": OTHER}
        world.report("gw_000", [status("gw_000", seq=seq, version="1.1.0", digests=digests, **more)])

    return reports


def marked(world: World) -> list[str]:
    found = world.operator.ok("GET", "/gateways?differs=true")["gateways"]
    return [gateway["id"] for gateway in found]


def test_a_changed_container_is_marked_until_it_is_right_again(world: World, runs: Any, admin_client: Client) -> None:
    assert marked(world) == []
    # A local build has no digest of a registry at all.
    for seq, digest in ((2, None), (3, OTHER)):
        runs(digest, seq)
        assert marked(world) == ["gw_000"]
        assert world.record("gw_000")["differing"] == ["app"]
    page = admin_client.get("/admin/fleet/gateway/?differs=yes").content.decode()
    assert "gw_000" in page
    assert "gw_001" not in page
    assert "another image than the update names: app" in page
    runs(DIGEST, 4)
    assert marked(world) == []
    assert len(world.operator.ok("GET", "/gateways?differs=false")["gateways"]) == 2


def test_in_the_middle_of_an_update_nothing_is_marked(world: World, runs: Any) -> None:
    runs(OTHER, 2, transaction_state="STARTED")
    assert marked(world) == []


@pytest.mark.case("A44")
def test_a_gateway_whose_files_were_changed_is_marked(world: World, runs: Any, admin_client: Client) -> None:
    runs(DIGEST, 2, files_problem=".env not as recorded with update 1.1.2" + "x" * 999)
    assert world.record("gw_000")["files_problem"].startswith(".env not as recorded")
    page = admin_client.get("/admin/fleet/gateway/").content.decode()
    assert ".env not as recorded with update 1.1.2" in page
    assert "files changed" in page
    runs(DIGEST, 3, files_problem="")
    assert world.record("gw_000")["files_problem"] == ""
    assert "files changed" not in admin_client.get("/admin/fleet/gateway/").content.decode()


@pytest.mark.case("A04")
def test_a_gateway_whose_metadata_expired_is_marked(world: World, runs: Any, admin_client: Client) -> None:
    runs(DIGEST, 2, freshness_problem="the repository's metadata has expired: timestamp.json" + "x" * 999)
    assert world.record("gw_000")["freshness_problem"].startswith("the repository's metadata has expired")
    assert "metadata has expired" in admin_client.get("/admin/fleet/gateway/").content.decode()
    runs(DIGEST, 3, freshness_problem="")
    assert world.record("gw_000")["freshness_problem"] == ""
