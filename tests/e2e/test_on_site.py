"""The person at the box: ota-helper.sh, a manifest on a stick, and what is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from lab.operator import Operator
from ota_py.trust.fetch.client import TrustClient
from tests.support.provisioned import running_bridge
from tests.support.trust.published import MemoryFloor

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

OTA = "/opt/restaurant-gateway/ota"


def helper(operator: Operator, gateway: str, *arguments: str):
    return operator.on_gateway(gateway, f"{OTA}/ota-helper.sh", *arguments, check=False)


def state(operator: Operator, gateway: str) -> tuple[str, dict]:
    """What runs, and what the gateway says of itself, less what changes by the minute."""
    status = operator.client_json(gateway, "status")
    del status["disk_free_bytes"]
    return running_bridge(operator, gateway), status


@pytest.fixture
def stick(operator: Operator, releases: dict[str, str], tmp_path: Path) -> str:
    """The path of a manifest with its signature beside it, on the first gateway."""
    trust = TrustClient(
        operator.directory / "root.json", tmp_path, operator.env["repository"]["public_url"], MemoryFloor()
    )
    found = trust.fetch_manifest(releases["best"])
    for name, data in (("manifest.json", found.raw), ("manifest.json.sig", found.signature)):
        text = base64.b64encode(data).decode()
        line = f"mkdir -p /media/stick && echo {text} | base64 -d > /media/stick/{name}"
        operator.on_gateway(operator.gateways[0], "sh", "-c", line)
    return "/media/stick/manifest.json"


def test_altered_manifest_is_refused_and_nothing_changes(operator: Operator, stick: str):
    gateway = operator.gateways[0]
    before = state(operator, gateway)
    operator.on_gateway(gateway, "sed", "-i", "s/mqtt-bridge:1/mqtt-bridge:2/", stick)
    done = helper(operator, gateway, "update", stick)
    assert done.returncode == 20
    assert "manifest is signed by 0 of the release keys, expected 1" in done.stderr
    assert state(operator, gateway) == before


def test_signed_manifest_from_a_stick_is_applied(operator: Operator, stick: str, releases: dict[str, str]):
    gateway = operator.gateways[0]
    done = helper(operator, gateway, "update", stick)
    assert done.returncode == 0, done.stderr
    assert running_bridge(operator, gateway) == releases["best"]


def test_backup_and_health_check(operator: Operator):
    gateway = operator.gateways[0]
    assert helper(operator, gateway, "health-check").returncode == 0
    made = helper(operator, gateway, "backup", "--json")
    assert made.returncode == 0, made.stderr
    listed = json.loads(helper(operator, gateway, "list-backups", "--json").stdout)
    assert json.loads(made.stdout)["id"] in json.dumps(listed)


def test_health_check_names_what_is_down(operator: Operator):
    gateway = operator.gateways[0]
    compose = "cd /opt/restaurant-gateway && docker compose"
    operator.on_gateway(gateway, "sh", "-c", f"{compose} stop sensors")
    try:
        done = helper(operator, gateway, "health-check")
        assert done.returncode == 27
        assert "sensors" in done.stdout + done.stderr
    finally:
        operator.on_gateway(gateway, "sh", "-c", f"{compose} start sensors")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["update"], 2, "update needs a bundle or a manifest file"),
        (["update", "/nowhere.json"], 6, "/nowhere.json"),
        (["dance"], 2, "unknown command: dance"),
    ],
)
def test_wrong_use(operator: Operator, arguments: list[str], status: int, words: str):
    done = helper(operator, operator.gateways[0], *arguments)
    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr
