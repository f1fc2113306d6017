"""The modules that act on a gateway: the commands that they run there, and their results."""

from __future__ import annotations

from typing import Any

from tests.support.rollout.fleets import Fleet
from tests.support.rollout.modules import Run


def calls(fleet: Fleet, gateway: str) -> list[list[str]]:
    found: list[list[str]] = fleet.engine(gateway)["calls"]
    return found


def test_apply_changes_once_and_shows_the_difference(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a")
    options: dict[str, Any] = {"version": "1.2.0", "rollout": 3}
    first = run(a, "ota_apply", "--diff", **options)
    second = run(a, "ota_apply", **options)

    assert (first["changed"], first["outcome"], first["state"]) == (True, "SUCCEEDED", "COMMITTED")
    assert (first["diff"]["before"]["version"], first["diff"]["after"]["version"]) == ("1.0.0", "1.2.0")
    assert (second["changed"], second["outcome"]) == (False, "SKIPPED")
    assert "diff" not in second


def test_check_mode_verifies_and_changes_nothing(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a")
    output = run(a, "ota_apply", "--check", "--diff", version="1.2.0")

    assert (output["changed"], output["msg"]) == (True, "would go from 1.0.0 to 1.2.0")
    assert output["diff"]["after"]["version"] == "1.2.0"
    assert calls(fleet, a) == [["verify", "--version", "1.2.0"], ["status"]]


def test_a_failure_carries_the_gateways_own_reason_code_and_hint(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a", update="rolls_back", reason="mqtt-bridge: exited 1")
    output = run(a, "ota_apply", version="1.2.0", rollout=3)

    assert output["failed"]
    assert {name: output[name] for name in ("msg", "code", "hint", "outcome", "changed")} == {
        "msg": "mqtt-bridge: exited 1",
        "code": "rolled_back",
        "hint": "look at the gateway",
        "outcome": "ROLLED_BACK",
        "changed": True,
    }


def test_an_engine_that_dies_is_a_failure_that_says_what_it_printed(fleet: Fleet, run: Run) -> None:
    output = run(fleet.add("a", update="crashes"), "ota_verify", version="1.2.0", rollout=3)
    assert (output["failed"], output["code"]) == (True, "no_engine")
    assert output["msg"] == "the gateway's engine gave no answer (status 1): Segmentation fault"


def test_an_unreachable_gateway_is_unreachable_not_failed(fleet: Fleet, run: Run) -> None:
    output = run(fleet.add("a", unreachable=True), "ota_info")
    assert output["unreachable"]
    assert not output.get("failed")


def test_backup_is_one_of_its_own_or_a_part_of_an_update(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a")
    run(a, "ota_backup", version="1.2.0", rollout=3)
    run(a, "ota_backup")
    predicted = run(a, "ota_backup", "--check")

    assert calls(fleet, a) == [
        ["update", "--version", "1.2.0", "--until", "BACKED_UP", "--rollout", "3"],
        ["backup"],
    ]
    assert predicted["changed"]


def test_restore_recovers_or_goes_back(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a")
    assert run(a, "ota_restore")["changed"] is False
    run(a, "ota_restore", state="previous")
    predicted = run(a, "ota_restore", "--check")

    assert calls(fleet, a) == [["recover"], ["rollback"], ["status"]]
    assert (predicted["changed"], predicted["msg"]) == (False, "nothing is interrupted")


def test_health_and_info_read_also_in_check_mode(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a")
    assert run(a, "ota_health", "--check")["healthy"]
    assert run(a, "ota_info")["version"] == "1.0.0"
    assert calls(fleet, a) == [["health-check"], ["status"]]


def test_wrong_options_are_refused_on_the_controller(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a")
    assert "one of the following is required" in run(a, "ota_apply")["msg"]
    assert "mutually exclusive" in run(a, "ota_apply", version="1.2.0", manifest="/m")["msg"]
    assert "Unsupported parameters" in run(a, "ota_verify", version="1.2.0", speed="fast")["msg"]
    assert calls(fleet, a) == []


def test_values_reach_the_engine_as_single_words(fleet: Fleet, run: Run) -> None:
    a = fleet.add("a")
    mark = fleet.directory / "owned"
    run(a, "ota_apply", "--check", manifest=f"/media/my stick/$(touch {mark}).json")
    assert calls(fleet, a)[0] == ["verify", "--manifest", f"/media/my stick/$(touch {mark}).json"]
    assert not mark.exists()
