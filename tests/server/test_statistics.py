"""The paths `/statistics`, `/events` and `/inventory`."""

from __future__ import annotations

from ota_py.server.fleet.models import Gateway
from ota_py.server.fleet.presence import last_seen
from tests.support.server.world import World, report, transaction


def test_success_rates_count_what_was_tried(world: World) -> None:
    rollout = world.running(world.fleet(5), max_failures="5")
    for gateway, end in zip(
        ("gw_000", "gw_001", "gw_002", "gw_003"),
        ("COMMITTED", "COMMITTED", "ROLLED_BACK", "FAILED"),
        strict=True,
    ):
        world.ends(rollout, gateway, end)
    world.update("1.2.0")
    figures = world.reader.ok("GET", "/statistics")["updates"]
    assert figures == [
        {"version": "1.2.0", "succeeded": 0, "rolled_back": 0, "failed": 0, "success_rate": None},
        {"version": "1.1.0", "succeeded": 2, "rolled_back": 1, "failed": 1, "success_rate": 0.5},
    ]


def test_the_fleet_by_version_and_presence(world: World) -> None:
    world.fleet(3)
    status = {"version": "1.0.0"}
    world.report("gw_000", [report("gw_000", kind="status", state="", details=status)])
    last_seen.flush()
    assert world.reader.ok("GET", "/statistics")["gateways"] == {
        "total": 3,
        "online": 1,
        "by_version": {"unknown": 2, "1.0.0": 1},
        "by_state": {"IDLE": 1, "UNKNOWN": 2},
    }


def test_the_last_twenty_rollbacks_say_why(world: World) -> None:
    world.fleet(1)
    for number in range(21):
        steps = transaction(
            "gw_000",
            ["ROLLING_BACK", "ROLLED_BACK"],
            first_seq=1 + 2 * number,
            version=f"1.1.{number}",
            reason="unhealthy",
            details={"failing_service": "mqtt-bridge"},
        )
        world.report("gw_000", steps)
    found = world.reader.ok("GET", "/statistics")["rollbacks"]
    assert [row["version"] for row in found] == [f"1.1.{number}" for number in range(20, 0, -1)]
    assert (found[0]["gateway"], found[0]["from_version"]) == ("gw_000", "1.0.0")
    assert (found[0]["reason"], found[0]["failing_service"]) == ("unhealthy", "mqtt-bridge")


def test_events_are_filtered_and_limited(world: World) -> None:
    rollout = world.running(world.fleet(2))
    world.ends(rollout, "gw_000", "COMMITTED")
    world.report("gw_001", [report("gw_001", kind="alarm", state="", reason="disk")])

    def events(query: str) -> list[tuple[str | None, str]]:
        rows = world.reader.ok("GET", f"/events{query}")["events"]
        return [(row["gateway"], row["kind"]) for row in rows]

    assert events("?gateway=gw_001") == [("gw_001", "alarm")]
    assert len(events(f"?rollout={rollout}&gateway=gw_000")) == 9
    assert ("gw_001", "alarm") not in events(f"?rollout={rollout}")
    assert events("?limit=1") == [("gw_001", "alarm")]
    for bad in ("limit=0", "limit=1001", "limit=x", "gateway=NO", "rollout=0"):
        world.reader.refused(422, "GET", f"/events?{bad}")


def test_the_inventory_is_ansibles(world: World) -> None:
    world.gateway("a", delivery="push", address="10.0.0.1", groups=["boston", "new-england"])
    world.gateway("b", delivery="pull", groups=["boston"], hardware="x86-box")
    world.report("a", [report("a", kind="status", state="", details={"version": "1.0.0"})])
    assert world.reader.ok("GET", "/inventory") == {
        "_meta": {
            "hostvars": {
                "a": {"ansible_host": "10.0.0.1", "ota_delivery": "push", "ota_current_version": "1.0.0"},
                "b": {"ota_delivery": "pull", "ota_hardware": "x86-box"},
            }
        },
        "all": {"children": ["boston", "gateways", "new_england"]},
        "boston": {"hosts": ["a", "b"]},
        "gateways": {"hosts": ["a", "b"]},
        "new_england": {"hosts": ["a"]},
    }


def test_nothing_a_gateway_reports_reaches_the_inventory_unchecked(world: World) -> None:
    world.gateway("a")
    details = {"version": "{{ lookup('pipe', 'id') }}", "hardware": "{{ x }}", "groups": ["{{ y }}"]}
    world.report("a", [report("a", kind="status", state="", details=details)])
    assert Gateway.objects.get().version.startswith("{{")
    assert world.reader.ok("GET", "/inventory")["_meta"]["hostvars"] == {"a": {"ota_delivery": "pull"}}
