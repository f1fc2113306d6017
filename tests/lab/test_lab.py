"""The lab keeps its promises: what the other tests build on is really there."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest
import requests

from lab import containers, engine, fleet, gateways, report, state
from lab.config import PROJECT_ROOT, LabConfig
from lab.demo import output_of
from lab.images import SERVICES, build_and_push
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


@pytest.fixture(scope="session")
def env(lab_config: LabConfig) -> dict[str, Any]:
    return report.environment(lab_config, state.load_running(lab_config))


def on_gateway(config: LabConfig, gateway: str, command: str) -> str:
    """Run a command on a gateway through the lab's own ssh verb, host key check included."""
    argv = [str(PROJECT_ROOT / "lab" / "lab"), "ssh", gateway, command]
    variables = {"OTA_LAB_NAME": config.name, "OTA_LAB_SUBNET": str(config.subnet), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def wait_until_healthy(config: LabConfig, gateway: str, seconds: float = 120) -> None:
    wait_for(lambda: all_healthy(config, gateway), f"healthy services on {gateway}", seconds, pause_seconds=0.2)


def all_healthy(config: LabConfig, gateway: str) -> bool:
    container = gateways.gateway_container(config, engine.require(), gateway)
    rows = gateways.project_services(container)
    return len(rows) == len(SERVICES) and all("(healthy)" in row["status"] for row in rows)


def rows_in_database(config: LabConfig, gateway: str) -> int:
    query = "psql -U restaurant -Atc 'SELECT count(*) FROM readings'"
    line = f"docker exec restaurant-gateway-database-1 {query}"
    return int(output_of(lambda: on_gateway(config, gateway, line)))


def test_a_second_up_replaces_nothing(lab_config: LabConfig) -> None:
    def running() -> set[str]:
        listed = engine.require().containers.list(filters=containers.lab_filter(lab_config))
        return {str(item.id) for item in listed}

    before = running()
    fleet.up(lab_config, None)
    assert running() == before


def test_every_gateway_runs_the_first_version(lab_config: LabConfig, env: dict[str, Any]) -> None:
    for gateway in env["gateways"]:
        wait_until_healthy(lab_config, gateway["id"])
        assert rows_in_database(lab_config, gateway["id"]) >= 5000


def test_what_s3_stores_is_public_at_once_and_read_only(env: dict[str, Any]) -> None:
    import boto3

    s3 = boto3.client(
        "s3",
        endpoint_url=env["s3"]["endpoint"],
        region_name=env["s3"]["region"],
        aws_access_key_id=env["s3"]["access_key"],
        aws_secret_access_key=env["s3"]["secret_key"],
    )
    url = env["repository"]["public_url"] + "lab-test.txt"
    for body in (b"one", b"two, longer"):
        s3.put_object(Bucket=env["s3"]["bucket"], Key="lab-test.txt", Body=body)
        assert requests.get(url, timeout=60).content == body
    assert requests.put(url, data=b"forged", timeout=60).status_code == 403
    assert not requests.get(f"{env['s3']['endpoint']}/{env['s3']['bucket']}/lab-test.txt", timeout=60).ok
    s3.delete_object(Bucket=env["s3"]["bucket"], Key="lab-test.txt")
    assert requests.get(url, timeout=60).status_code == 404


def test_a_gateway_hears_only_its_own_topic(env: dict[str, Any]) -> None:
    import paho.mqtt.client as mqtt

    heard: list[str] = []
    granted: list[str] = []

    def hear(user: str, message: mqtt.MQTTMessage) -> None:
        """Of the test's own words: agents may speak, too."""
        if message.payload in (b"forged", b"ok", b"look"):
            heard.append(f"{user}<{message.topic}")

    def connect(user: str) -> mqtt.Client:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"test-{user}")
        client.username_pw_set(user, env["mqtt"]["users"][user])
        client.tls_set(ca_certs=env["mqtt"]["ca_path"])
        client.on_subscribe = lambda *_: granted.append(user)
        client.on_message = lambda _client, _data, message: hear(user, message)
        client.connect(env["mqtt"]["host"], env["mqtt"]["port"])
        client.loop_start()
        wait_for(client.is_connected, "the connection", 120)
        return client

    first, control = connect("boston_001"), connect("control-plane")
    try:
        first.subscribe("#", qos=1)
        control.subscribe("ota/+/status", qos=1)
        wait_for(lambda: len(granted) == 2, "the subscriptions", 120)
        first.publish("ota/boston_002/status", "forged", qos=1)
        first.publish("ota/boston_001/status", "ok", qos=1)
        control.publish("ota/boston_002/hint", "look", qos=1)
        control.publish("ota/boston_001/hint", "look", qos=1)
        wait_for(lambda: len(heard) >= 2, "two messages", 120)
        time.sleep(0.3)
    finally:
        for client in (first, control):
            client.disconnect()
            client.loop_stop()
    assert sorted(heard) == ["boston_001<ota/boston_001/hint", "control-plane<ota/boston_001/status"]


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
def test_a_reboot_keeps_services_and_data(lab_config: LabConfig, signal: str) -> None:
    rows = rows_in_database(lab_config, "boston_002")
    container = gateways.gateway_container(lab_config, engine.require(), "boston_002")
    container.kill(signal)
    container.wait(timeout=180)
    container.start()
    wait_until_healthy(lab_config, "boston_002", 300)
    assert rows_in_database(lab_config, "boston_002") >= rows


def test_the_agent_is_supervised(lab_config: LabConfig) -> None:
    def run(command: str) -> str:
        return on_gateway(lab_config, "boston_001", command)

    ota = "/opt/restaurant-gateway/ota"
    run(f"mkdir -p {ota} /etc/ota; printf '#!/bin/sh\\nexec sleep 600\\n' >{ota}/ota-agent")
    run(f"printf '#!/bin/sh\\ntouch {ota}/recovered\\n' >{ota}/ota-recover; chmod +x {ota}/ota-*")
    assert run("lab-agent status || true") == "stopped"
    run("touch /etc/ota/agent.enabled; lab-agent start")
    first = run(f"test -e {ota}/recovered; lab-agent status")
    run("kill -9 $(lab-agent status | cut -d' ' -f2)")
    wait_for(lambda: run("lab-agent status || true") not in ("stopped", first), "another agent", 120)
    run("lab-agent stop")
    assert run("lab-agent status || true") == "stopped"
    run(f"rm -r {ota} /etc/ota/agent.enabled")


def test_versions_differ_by_digest_and_are_pushed_quickly(
    lab_config: LabConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is new is sent: a small layer, the image's configuration and its manifest."""
    sent: list[int] = []
    put = requests.Session.put

    def counted(self: requests.Session, url: str, data: bytes = b"", **more: Any) -> requests.Response:
        sent.append(len(data))
        return put(self, url, data, **more)

    monkeypatch.setattr(requests.Session, "put", counted)
    references = {build_and_push("mqtt-bridge", version, config=lab_config) for version in ("9.0.0", "9.0.1", "9.0.0")}
    assert len(references) == 2
    assert len(sent) <= 2 * 3
    assert sum(sent) < 20_000
