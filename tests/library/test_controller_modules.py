"""The modules that act on the controller: manifests, registration, rollouts."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.support.rollout.fleets import Fleet
from tests.support.rollout.modules import Run

MANIFEST = {
    "schema_version": 1,
    "fleet": "healthguard",
    "version": "1.2.0",
    "created": "2026-01-01T00:00:00Z",
    "images": {
        "mqtt-bridge": {
            "reference": "registry.example.com/mqtt-bridge:1.2.0",
            "digest": "sha256:" + "0" * 64,
            "size": 1,
        }
    },
}


@pytest.fixture
def manifest(fleet: Fleet) -> Path:
    """A manifest in a directory that has the fleet's keys and repository."""
    for name in ("keys", "repository"):
        (fleet.directory / name).symlink_to(fleet.workplace / name)
    path = fleet.directory / "manifest.json"
    path.write_text(json.dumps(MANIFEST))
    return path


def test_sign_then_verify_and_signing_again_changes_nothing(run: Run, manifest: Path) -> None:
    signature = Path(f"{manifest}.sig")
    planned = run("localhost", "ota_manifest", "--check", path="manifest.json", state="signed")
    assert (planned["changed"], signature.exists()) == (True, False)

    first = run("localhost", "ota_manifest", path="manifest.json", state="signed")
    second = run("localhost", "ota_manifest", path="manifest.json", state="signed")
    verified = run("localhost", "ota_manifest", path=str(manifest))
    assert (first["changed"], second["changed"], verified["changed"]) == (True, False, False)
    assert verified["version"] == "1.2.0"
    assert verified["key_ids"] == first["key_ids"] != []


@pytest.mark.case("A20")
def test_a20_an_altered_manifest_is_refused(run: Run, manifest: Path) -> None:
    run("localhost", "ota_manifest", path="manifest.json", state="signed")
    manifest.write_text(json.dumps({**MANIFEST, "critical": True}))
    answer = run("localhost", "ota_manifest", path="manifest.json")

    assert (answer["failed"], answer["code"]) == (True, "signature")
    assert answer["msg"] == "manifest is signed by 0 of the release keys, expected 1"
    assert "was altered" in answer["hint"]


def test_a_missing_manifest_is_said(run: Run, fleet: Fleet) -> None:
    answer = run("localhost", "ota_manifest", path="nothing.json")
    assert (answer["code"], answer["msg"]) == (
        "not_found",
        f"cannot read {fleet.directory}/nothing.json: No such file or directory",
    )


def test_registering_again_changes_nothing_and_a_lost_token_is_replaced(fleet: Fleet, run: Run) -> None:
    gateway, token_file = f"{fleet.prefix}x", fleet.directory / "tokens" / "x"
    options = {"id": gateway, "token_file": "tokens/x", "delivery": "pull", "groups": ["boston"]}
    planned = run("localhost", "ota_gateway", "--check", **options)
    assert (planned["changed"], planned["created"], token_file.exists()) == (True, True, False)

    first = run("localhost", "ota_gateway", **options)
    token = token_file.read_text()
    assert (first["changed"], first["created"]) == (True, True)
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert token.strip() not in json.dumps(first)
    assert run("localhost", "ota_gateway", **options)["changed"] is False

    token_file.unlink()
    assert run("localhost", "ota_gateway", **options)["changed"] is True
    assert token_file.read_text() != token

    moved = run("localhost", "ota_gateway", "--diff", **{**options, "delivery": "push"})
    assert (moved["diff"]["before"]["delivery"], moved["diff"]["after"]["delivery"]) == ("pull", "push")
    assert fleet.control_plane.gateway(gateway)["delivery"] == "push"


def test_the_control_planes_refusal_arrives_whole(fleet: Fleet, run: Run) -> None:
    answer = run("localhost", "ota_rollout", state="started", rollout=99999)
    assert (answer["failed"], answer["code"], answer["msg"]) == (True, "not_found", "rollout 99999 does not exist")


def test_a_rollout_that_stands_still_is_started_and_paused_once(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a")
    options = {"version": fleet.version, "gateways": a, "inventory": {a: "push"}}
    rollout = run("localhost", "ota_rollout", state="planned", **options)["rollout"]

    def changes(state: str) -> list[bool]:
        return [run("localhost", "ota_rollout", state=state, rollout=rollout)["changed"] for _ in range(2)]

    assert changes("started") == [True, False]
    assert changes("paused") == [True, False]


def test_reports_are_relayed_once_and_forgotten_by_the_gateway(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a")
    options = {"version": fleet.version, "gateways": a, "inventory": {a: "push"}}
    rollout = run("localhost", "ota_rollout", state="planned", **options)["rollout"]
    run("localhost", "ota_rollout", state="started", rollout=rollout)
    run("localhost", "ota_batch", rollout=rollout, batch=0)
    run(a, "ota_apply", version=fleet.version, rollout=rollout)

    first = run(a, "ota_report", version=fleet.version, rollout=rollout)
    second = run(a, "ota_report", version=fleet.version, rollout=rollout)
    assert (first["changed"], first["accepted"]) == (True, 9)
    assert (second["changed"], second["accepted"]) == (False, 0)
    assert fleet.engine(a)["outbox"] == []
    assert fleet.states() == {"a": "SUCCEEDED"}
    assert run("localhost", "ota_gate", rollout=rollout, batch=0)["verdict"] == "GO"
