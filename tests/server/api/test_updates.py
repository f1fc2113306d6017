"""The paths `/updates`: register, release, withdraw."""

from __future__ import annotations

from typing import Any

import pytest

from ota_py.server.updates.models import Update
from tests.support.server.world import World, rollout_body, update_body


def test_a_registered_update_is_staged(world: World) -> None:
    answer = world.operator.post("/updates", update_body("1.1.0", critical=True))
    assert answer.status_code == 201
    shown = answer.json()
    given = update_body("1.1.0", critical=True)
    assert {name: shown[name] for name in given} == given
    assert (shown["state"], shown["released_at"]) == ("STAGED", None)
    assert world.reader.ok("GET", "/updates/1.1.0") == shown


def test_the_same_again_is_200_and_another_manifest_409(world: World) -> None:
    world.update("1.1.0")
    assert world.operator.post("/updates", update_body("1.1.0")).status_code == 200
    body = update_body("1.1.0", manifest_sha256="d" * 64)
    message = world.operator.refused(409, "POST", "/updates", body)
    assert message == f"update 1.1.0 is registered with another manifest (sha256 {'b' * 64})"
    assert Update.objects.get().manifest_sha256 == "b" * 64


def test_who_signed_it_follows_a_change_of_keys_and_nothing_else_does(world: World) -> None:
    before = world.update("1.1.0")
    now = world.update("1.1.0", key_ids=["d" * 64, "e" * 64], description="another", critical=True)
    assert now == {**before, "key_ids": ["d" * 64, "e" * 64]} == world.reader.ok("GET", "/updates/1.1.0")
    event = world.reader.ok("GET", "/events?limit=1")["events"][0]
    assert (event["kind"], event["version"]) == ("update", "1.1.0")
    assert event["reason"] == "signed by other keys now"
    assert event["details"] == {"before": ["c" * 64], "now": ["d" * 64, "e" * 64]}
    # The same again is no news, and who does not say who signed it takes nothing back.
    assert world.update("1.1.0", key_ids=[]) == now == world.update("1.1.0", key_ids=now["key_ids"])
    assert len(world.reader.ok("GET", "/events")["events"]) == 2


def test_versions_are_listed_by_meaning_not_by_spelling(world: World) -> None:
    for version in ("1.9.0", "1.10.0", "1.10.0-rc.1"):
        world.update(version)
    listed = [row["version"] for row in world.reader.ok("GET", "/updates")["updates"]]
    assert listed == ["1.10.0", "1.10.0-rc.1", "1.9.0"]


@pytest.mark.parametrize(
    "bad",
    [
        {"version": "1.2"},
        {"version": "latest"},
        {"manifest_sha256": "x"},
        {"created": "2026-03-01T12:00:00"},
        {"images": {"a b": {"reference": "r", "digest": "sha256:" + "a" * 64, "size": 1}}},
        {"images": {"a": {"reference": "r", "digest": "latest", "size": 1}}},
        {"key_ids": ["k"]},
        {"on_rollback": "perhaps"},
        {"hooks": ["before-lunch"]},
        {"description": "x" * 2001},
        {"critical": "perhaps"},
        {"state": "RELEASED"},
    ],
    ids=str,
)
def test_bad_input_is_422(world: World, bad: dict[str, Any]) -> None:
    message = world.operator.refused(422, "POST", "/updates", {**update_body("1.1.0"), **bad})
    assert next(iter(bad)) in message
    assert not Update.objects.exists()


def test_the_first_rollout_that_starts_releases_it(world: World) -> None:
    rollout = world.rollout(world.fleet(1))
    assert world.operator.ok("GET", "/updates/1.1.0")["state"] == "STAGED"
    world.operator.ok("POST", f"/rollouts/{rollout}/start")
    shown = world.operator.ok("GET", "/updates/1.1.0")
    assert shown["state"] == "RELEASED"
    assert shown["released_at"]


def test_withdrawing_ends_its_rollouts_for_good(world: World) -> None:
    gateways = world.fleet(3)
    waiting = world.rollout(gateways[:1])
    running = world.running(gateways[1:])
    assert world.operator.ok("POST", "/updates/1.1.0/withdraw")["state"] == "WITHDRAWN"
    assert world.operator.ok("POST", "/updates/1.1.0/withdraw")["state"] == "WITHDRAWN"
    for rollout in (waiting, running):
        shown = world.operator.ok("GET", f"/rollouts/{rollout}")
        assert (shown["state"], shown["reason"]) == ("ABORTED", "update 1.1.0 was withdrawn")
    message = world.operator.refused(409, "POST", "/rollouts", rollout_body(gateways))
    assert message == "update 1.1.0 was withdrawn"


def test_an_unknown_version_is_404(world: World) -> None:
    for method, path in (("GET", "/updates/9.9.9"), ("POST", "/updates/9.9.9/withdraw")):
        assert world.operator.refused(404, method, path) == "update 9.9.9 is not registered"
