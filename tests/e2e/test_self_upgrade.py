"""The gateway software is upgraded by an update, on a lab gateway: the whole way from create-update (F35)."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from lab.operator import ROOT, Operator
from ota_py.manager.release import wheelhouse
from ota_py.manager.release.gateway_software import BUILD_DIRECTORY
from tests.support.provisioned import running_bridge
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.case("F35"), pytest.mark.timeout(1800)]

# A check is a command on a gateway, or a call of the control plane.
SELDOM = {"seconds": 300, "pause_seconds": 0.5}

EXITS = "\n\ndef _no(self): raise RuntimeError('on purpose')\n\n\nAgent.run = _no\n"


@pytest.fixture
def gateway(operator: Operator) -> str:
    return operator.gateways[0]


def patched(directory: Path, version: str, patch: str = "") -> Path:
    """The wheelhouse that the lab's gateways were provisioned from, as if it were of another version."""
    archive, name, _ = wheelhouse.build(ROOT / BUILD_DIRECTORY, "3.13", "x86_64")
    target = directory / f"{version}.tar"
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        for entry in old:
            file = old.extractfile(entry)
            assert file is not None
            data = file.read()
            if entry.name.startswith("ota_py-"):
                data = _patched_wheel(data, version, patch)
            elif entry.name == wheelhouse.DESCRIPTION:
                data = data.replace(name.encode(), f"{version}-lab".encode()).replace(
                    json.dumps(wheelhouse.__version__).encode(), json.dumps(version).encode()
                )
            entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))
    return target


def _patched_wheel(raw: bytes, version: str, patch: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename == "ota_py/__init__.py":
                data = data.replace(wheelhouse.__version__.encode(), version.encode())
            elif entry.filename == "ota_py/gateway/agent/loop.py":
                data += patch.encode()
            new.writestr(entry, data)
    return out.getvalue()


def upgrade_of(operator: Operator, gateway: str) -> dict:
    return operator.client_json(gateway, "status")["upgrade"] or {}


def wait_for_upgrade(operator: Operator, gateway: str, state: str) -> None:
    wait_for(lambda: upgrade_of(operator, gateway).get("state") == state, f"the upgrade to be {state}", **SELDOM)


def shown(operator: Operator, gateway: str) -> str:
    """The version of the gateway's software that the control plane knows."""
    return operator.api(f"gateways/{gateway}")["agent_version"]


def test_a_new_version_reaches_a_gateway_by_a_rollout(operator: Operator, gateway: str, tmp_path: Path):
    operator.manager("create-update", "--version", "2.0.0", "--agent", str(patched(tmp_path, "0.2.0")), "--json")
    before = running_bridge(operator, gateway)
    operator.manager("rollout", "--version", "2.0.0", "--gateways", gateway)
    wait_for_upgrade(operator, gateway, "PROVED")
    wait_for(lambda: shown(operator, gateway) == "0.2.0-lab", "the control plane to know", **SELDOM)
    status = operator.client_json(gateway, "status")
    assert (status["agent_version"], status["version"]) == ("0.2.0-lab", "2.0.0")
    assert running_bridge(operator, gateway) == before
    assert operator.on_gateway(gateway, "/opt/restaurant-gateway/ota/ota-helper.sh", "health-check")


def test_one_that_does_not_come_up_is_returned_from_and_the_services_stay_updated(
    operator: Operator, gateway: str, tmp_path: Path
):
    archive = patched(tmp_path, "0.3.0", EXITS)
    images = json.dumps({"mqtt-bridge": "healthguard/mqtt-bridge:1.1.0"})
    operator.manager("create-update", "--version", "2.1.0", "--images", images, "--agent", str(archive), "--json")
    operator.manager("rollout", "--version", "2.1.0", "--gateways", gateway)
    wait_for_upgrade(operator, gateway, "RETURNED")
    status = operator.client_json(gateway, "status")
    assert (status["agent_version"], status["version"]) == ("0.2.0-lab", "2.1.0")
    assert running_bridge(operator, gateway) == "1.1.0"

    def told() -> bool:
        events = operator.api("events")["events"]
        return any("the gateway software stays at 0.2.0-lab" in json.dumps(event) for event in events)

    wait_for(told, "the event", **SELDOM)
