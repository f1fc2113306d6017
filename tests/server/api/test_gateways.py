"""The paths `/gateways`: register, list, change, new tokens."""

from __future__ import annotations

from typing import Any

import pytest

from ota_py.server.fleet.models import Gateway
from tests.support.server.world import DIGEST, World, report


def test_a_new_gateway_comes_with_its_token_once(world: World) -> None:
    body = {"id": "boston_001", "delivery": "push", "address": "172.30.77.11", "groups": ["boston", "b"]}
    answer = world.operator.post("/gateways", {**body, "hardware": "x86-box"})
    assert answer.status_code == 201
    created = answer.json()
    assert created["token"].startswith("ota_")
    shown = created["gateway"]
    assert shown == world.record("boston_001")
    assert shown["groups"] == ["b", "boston"]
    assert shown["last_seen"] is None
    assert (shown["state"], shown["version"], shown["digests"]) == ("UNKNOWN", "", {})
    assert shown["created_at"].endswith("Z")
    assert "token" not in shown


def test_registering_twice_is_409_and_changes_nothing(world: World) -> None:
    world.gateway("boston_001", address="10.0.0.1")
    message = world.operator.refused(409, "POST", "/gateways", {"id": "boston_001", "address": "10.0.0.2"})
    assert message == "gateway boston_001 is registered already"
    assert world.record("boston_001")["address"] == "10.0.0.1"
    assert world.gateways["boston_001"].get("/gateways/boston_001/assignment").status_code == 204


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "Boston"},
        {"id": "../etc"},
        {"id": ""},
        {"id": "a" * 64},
        {"delivery": "carry"},
        {"address": "{{ lookup('pipe', 'id') }}"},
        {"address": "-oProxyCommand=id"},
        {"groups": ["{{ x }}"]},
        {"groups": "boston"},
        {"hardware": "x y"},
        {"colour": "red"},
    ],
    ids=str,
)
def test_bad_input_is_422_and_registers_nothing(world: World, bad: dict[str, Any]) -> None:
    message = world.operator.refused(422, "POST", "/gateways", {"id": "boston_001", **bad})
    assert message.startswith(f"the request is not valid: {next(iter(bad))}")
    assert not Gateway.objects.exists()


def test_filters(world: World) -> None:
    world.gateway("a", groups=["boston"])
    world.gateway("b", groups=["boston", "lab"])
    world.report("b", [report("b", kind="status", state="", details={"version": "1.2.0"})])

    def ids(query: str) -> list[str]:
        return [row["id"] for row in world.reader.ok("GET", f"/gateways{query}")["gateways"]]

    assert ids("") == ["a", "b"]
    assert ids("?group=lab") == ["b"]
    assert ids("?version=1.2.0") == ["b"]
    assert ids("?state=IDLE") == ["b"]
    assert ids("?state=IDLE&group=none") == []
    world.reader.refused(422, "GET", "/gateways?state=ODD")


def test_patch_changes_only_what_is_given(world: World) -> None:
    world.gateway("boston_001", address="10.0.0.1", groups=["boston"])
    changed = world.operator.ok("PATCH", "/gateways/boston_001", {"delivery": "push", "groups": []})
    assert (changed["delivery"], changed["groups"], changed["address"]) == ("push", [], "10.0.0.1")
    world.operator.refused(422, "PATCH", "/gateways/boston_001", {"version": "9.9.9"})


def test_an_unknown_gateway_is_404_and_named(world: World) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("POST", "/token")):
        message = world.operator.refused(404, method, f"/gateways/nowhere{path}", {} if method == "PATCH" else None)
        assert message == "gateway nowhere is not registered"


@pytest.mark.parametrize("gateway", ["%00", "a%20b", "%F0%9F%90%B3", "A", "x" * 100])
def test_an_impossible_id_in_the_path_is_422(world: World, gateway: str) -> None:
    world.operator.refused(422, "GET", f"/gateways/{gateway}")


def test_status_reports_fill_in_what_the_gateway_is(world: World) -> None:
    world.gateway("boston_001", groups=["boston"])
    details = {
        "version": "1.0.0",
        "digests": {"bridge": DIGEST},
        "agent_version": "0.1.0",
        "architecture": "amd64",
        "disk_free_bytes": 5_000_000_000,
        "hardware": "x86-box",
        "groups": ["vip"],
        "transaction_state": None,
    }
    world.report("boston_001", [report("boston_001", kind="status", state="", details=details)])
    shown = world.record("boston_001")
    for name in ("version", "digests", "agent_version", "architecture", "disk_free_bytes", "hardware"):
        assert shown[name] == details[name]
    assert shown["state"] == "IDLE"
    assert shown["groups"] == ["boston"], "a gateway does not choose its groups"


def test_one_odd_value_does_not_keep_the_rest_out(world: World) -> None:
    world.gateway("boston_001")
    details = {"version": 7, "digests": ["no"], "architecture": "{{ x }}", "agent_version": "0.2.0"}
    world.report("boston_001", [report("boston_001", kind="status", state="", details=details)])
    shown = world.record("boston_001")
    assert (shown["version"], shown["digests"], shown["architecture"]) == ("", {}, "")
    assert shown["agent_version"] == "0.2.0"
