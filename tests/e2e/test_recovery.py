"""A way back that fails: the gateway runs what it can, calls for help, and waits for a person (F36)."""

from __future__ import annotations

import pytest

from lab.operator import Operator
from tests.support.provisioned import running_bridge
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

CLIENT = "cd /opt/restaurant-gateway/ota && {environment} python3 ota_client.py {command} --json"
# What a bad disk does to a backup, after it was checked for the last time.
SPOIL = "for f in /var/lib/ota/backups/*/files/docker-compose.yml; do echo spoilt >>$f; done"


def client(operator: Operator, gateway: str, command: str, environment: str = "") -> int:
    line = CLIENT.format(environment=environment, command=command)
    return operator.on_gateway(gateway, "sh", "-c", line, check=False).returncode


@pytest.mark.case("F36", "F14")
def test_a_rollback_that_fails_is_an_alarm_in_the_control_plane(operator: Operator, releases: dict[str, str]):
    gateway, version = operator.gateways[-1], releases["best"]
    update = f"update --version {version} --force"
    operator.on_gateway(gateway, "lab-agent", "stop")  # so that nobody recovers before we look
    assert client(operator, gateway, update, "OTA_CRASH_AT=journal.advance.STARTED.after") == 137
    operator.on_gateway(gateway, "sh", "-c", SPOIL)

    assert client(operator, gateway, "recover") == 32

    assert operator.client_json(gateway, "status")["broken"]
    assert running_bridge(operator, gateway) == version, "best effort: what there is runs"
    assert client(operator, gateway, "recover") == 0, "no further try"
    assert client(operator, gateway, update.removesuffix(" --force")) == 32
    operator.on_gateway(gateway, "lab-agent", "start")

    def alarm() -> dict | None:
        events = operator.api(f"events?gateway={gateway}&limit=50")["events"]
        return next((event for event in events if event["kind"] == "alarm"), None)

    wait_for(alarm, "the alarm", 180)
    assert alarm()["state"] == "BROKEN"
    assert "has sha256" in alarm()["reason"], "why the rollback failed, too"
    assert client(operator, gateway, update) == 0, "a person has looked"
    assert not operator.client_json(gateway, "status")["broken"]


def test_the_control_plane_shows_the_failing_services_last_lines(operator: Operator):
    """Of the bad update that another test of this run rolled out."""
    events = operator.api("events?limit=1000")["events"]
    rolled_back = [e for e in events if e["state"] == "ROLLED_BACK" and "failing_service" in e["details"]]
    assert rolled_back, "test_main_job.py rolls a bad update out"
    details = rolled_back[0]["details"]
    assert details["failing_service"] == "mqtt-bridge"
    assert details["log_tail"]
