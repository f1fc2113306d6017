"""The main job on the lab's gateways, in the order in which an operator would live it."""

from __future__ import annotations

import json
import time

import pytest

from lab.demo import fingerprint
from lab.operator import Operator
from tests.support.provisioned import running_bridge

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module", autouse=True)
def _released(releases: dict[str, str]) -> None:
    """All versions exist before the first rollout."""


def rollout(operator: Operator, version: str, gateways: list[str], *options: str):
    done = operator.manager(
        *("rollout", "--version", version, "--gateways", ",".join(gateways), "--percentage", "50"),
        *("--json", *options),
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def last_rollout(operator: Operator) -> dict:
    newest = operator.api("rollouts")["rollouts"][0]
    return operator.api(f"rollouts/{newest['id']}")


def versions(operator: Operator) -> dict[str, str]:
    return {g["id"]: g["version"] for g in operator.api("gateways")["gateways"]}


def test_good_update_reaches_the_named_gateways_and_no_other(operator: Operator):
    *named, other = operator.gateways
    status, _ = rollout(operator, "1.1.0", named)
    assert status == 0
    assert [running_bridge(operator, g) for g in named] == ["1.1.0"] * len(named)
    assert running_bridge(operator, other) == "1.0.0"
    assert operator.client_json(other, "status")["version"] == "1.0.0"
    assert versions(operator) == {**dict.fromkeys(named, "1.1.0"), other: "1.0.0"}


def test_repeating_a_rollout_changes_nothing(operator: Operator):
    named = operator.gateways[:-1]
    status, _ = rollout(operator, "1.1.0", named)
    assert status == 0
    assert {g["state"] for g in last_rollout(operator)["gateways"]} == {"SKIPPED"}


def test_unknown_gateway_is_refused_before_anything_starts(operator: Operator):
    before = len(operator.api("rollouts")["rollouts"])
    done = operator.manager(
        "rollout", "--version", "1.3.0", "--gateways", f"{operator.gateways[0]},nowhere_9", check=False
    )
    assert done.returncode == 42
    assert "nowhere_9" in done.stderr
    assert len(operator.api("rollouts")["rollouts"]) == before


def test_bad_update_rolls_back_with_its_data_and_stops_the_rollout(operator: Operator):
    gateways = operator.gateways[:-1]
    before = {g: fingerprint(operator, g) for g in gateways}
    status, _ = rollout(operator, "1.2.0", gateways)
    assert status == 40
    found = last_rollout(operator)
    assert found["state"] == "PAUSED"
    assert [g["state"] for g in found["gateways"]] == ["ROLLED_BACK", "PENDING"], found["gateways"]
    assert "mqtt-bridge is unhealthy" in found["gateways"][0]["reason"]
    assert [running_bridge(operator, g) for g in gateways] == ["1.1.0", "1.1.0"]
    assert {g: fingerprint(operator, g) for g in gateways} == before
    assert operator.manager("rollout", "--abort", str(found["id"]), "--yes").returncode == 0


def test_a_gateway_without_ssh_pulls_in_the_same_rollout(operator: Operator):
    hidden = operator.gateways[-1]
    operator.write_inventory(pull=[hidden])
    operator.close_ssh(hidden)
    try:
        begun = time.monotonic()
        status, _ = rollout(operator, "1.3.0", operator.gateways)
        assert status == 0
        assert versions(operator) == dict.fromkeys(operator.gateways, "1.3.0")
        deliveries = {g["id"]: g["delivery"] for g in last_rollout(operator)["gateways"]}
        assert deliveries == {g: "pull" if g == hidden else "push" for g in operator.gateways}
        assert time.monotonic() - begun < 400
    finally:
        operator.open_ssh(hidden)
        operator.write_inventory()


@pytest.mark.parametrize("version", ["1.4.0", "1.5.0"])
def test_service_that_does_not_stay_up_is_rolled_back(operator: Operator, version: str):
    gateway = operator.gateways[0]
    result = operator.client_json(gateway, "update", "--version", version, check=False)
    assert result["outcome"] == "ROLLED_BACK"
    assert "mqtt-bridge" in result["reason"]
    assert running_bridge(operator, gateway) == "1.3.0"
    again = operator.on_gateway(
        gateway,
        "sh",
        "-c",
        f"cd /opt/restaurant-gateway/ota && python3 ota_client.py update --version {version}",
        check=False,
    )
    assert again.returncode == 21
    assert "rolled back" in again.stderr


def test_rollback_by_hand_returns_to_the_version_before(operator: Operator):
    gateway = operator.gateways[1]
    assert operator.client_json(gateway, "update", "--version", "1.6.0")["outcome"] == "SUCCEEDED"
    assert running_bridge(operator, gateway) == "1.6.0"
    operator.client_json(gateway, "rollback")
    assert running_bridge(operator, gateway) == "1.3.0"
    assert operator.client_json(gateway, "status")["version"] == "1.3.0"
