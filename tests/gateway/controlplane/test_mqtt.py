import json
import logging
import subprocess
import sys
import time

import pytest

from ota_py.errors import ConfigError
from ota_py.gateway.controlplane import mqtt
from ota_py.gateway.controlplane.mqtt import MqttLink
from tests.support.brokers import USERS, Broker, Control
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    server = Broker(tmp_path_factory.mktemp("broker")).start()
    yield server
    server.stop()


@pytest.fixture
def control(broker):
    client = Control(broker)
    yield client
    client.close()


@pytest.fixture
def password_file(tmp_path):
    path = tmp_path / "mqtt-password"
    path.write_text(USERS["boston_001"] + "\n")
    return path


@pytest.fixture
def hints():
    return []


@pytest.fixture
def link(broker, password_file, hints, monkeypatch):
    monkeypatch.setattr(mqtt, "RECONNECT_FIRST_SECONDS", (1, 1))
    made = MqttLink(
        "boston_001",
        lambda: hints.append(time.monotonic()),
        host="127.0.0.1",
        port=broker.port,
        username="boston_001",
        password_file=password_file,
        ca_file=broker.ca_file,
    )
    made.announce("1.1.0")
    made.acknowledged = []
    product = made._client.on_subscribe
    made._client.on_subscribe = lambda *told: (product(*told), made.acknowledged.append(1))
    yield made
    made.close()


def last_status(control):
    return json.loads(control.statuses[-1][0]) if control.statuses else None


def connected(link, hints):
    link.start()
    wait_for(lambda: hints, "the look that follows each connection")
    wait_for(lambda: link.acknowledged, "the subscription's acknowledgement")
    hints.clear()


def test_it_tells_that_it_is_there_and_that_it_left(link, control, hints):
    link.start()
    wait_for(lambda: last_status(control) == {"online": True, "version": "1.1.0"}, "online")
    link.announce("1.2.0")
    wait_for(lambda: last_status(control) == {"online": True, "version": "1.2.0"}, "the new version")
    link.close()
    wait_for(lambda: last_status(control)["online"] is False, "offline")


def test_a_new_subscriber_sees_the_retained_status(link, broker, control, hints):
    connected(link, hints)
    wait_for(lambda: control.statuses, "a status")
    late = Control(broker)
    wait_for(lambda: (b'{"online": true, "version": "1.1.0"}', True) in late.statuses, "the retained status")
    late.close()


def test_the_last_will_speaks_for_a_killed_agent(broker, control, password_file):
    program = (
        "import sys, time; from pathlib import Path; from ota_py.gateway.controlplane.mqtt import MqttLink\n"
        f"link = MqttLink('boston_001', lambda: None, host='127.0.0.1', port={broker.port}, "
        f"username='boston_001', password_file=Path('{password_file}'), ca_file=Path('{broker.ca_file}'))\n"
        "link.announce('1.1.0'); link.start(); time.sleep(300)"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        # Said now, not what the broker keeps of an earlier one.
        wait_for(lambda: (b'{"online": true, "version": "1.1.0"}', False) in control.statuses, "online")
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: last_status(control) == {"online": False}, "the last will")


def test_a_hint_and_its_repetition_wake(link, control, hints):
    connected(link, hints)
    control.hint()
    control.hint()
    wait_for(lambda: len(hints) == 2, "two hints")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"garbage",
        b"[]",
        b"{}",
        b'{"version": 7}',
        b"\xff\xfe",
        b"[" * 4000,
        b'{"version": "' + b"1" * 5000 + b'"}',
    ],
)
def test_garbage_is_logged_and_ignored(link, control, hints, caplog, payload):
    caplog.set_level(logging.INFO, "ota")
    connected(link, hints)
    control.hint(payload)
    wait_for(lambda: "hint ignored" in caplog.text, "a log line")
    assert not hints
    control.hint()
    wait_for(lambda: hints, "the link to be alive")


def test_a_retained_hint_is_ignored(link, control, hints, caplog):
    caplog.set_level(logging.INFO, "ota")
    control.hint(retain=True)
    try:
        connected(link, hints)
        wait_for(lambda: "message ignored" in caplog.text, "a log line")
        assert not hints
    finally:
        control.hint(b"", retain=True)


def test_a_broker_that_is_down_at_the_start_is_found_later(link, broker, hints, caplog):
    broker.stop()
    try:
        link.start()
        wait_for(lambda: "broker cannot be reached" in caplog.text, "a log line")
    finally:
        broker.start()
    wait_for(lambda: hints, "a connection")


def test_a_broker_that_restarts_is_found_again_and_asked_for_what_was_missed(link, broker, hints):
    connected(link, hints)
    broker.stop()
    broker.start()
    wait_for(lambda: hints, "a second connection")
    wait_for(lambda: len(link.acknowledged) == 2, "the second subscription")
    hints.clear()
    again = Control(broker)
    again.hint()
    wait_for(lambda: hints, "a hint over the new connection")
    again.close()


def test_a_rotated_password_is_used_by_the_next_connection(link, password_file, hints, caplog):
    password_file.write_text("yesterday's")
    link.start()
    wait_for(lambda: "broker refused the connection" in caplog.text, "a refusal")
    assert not hints
    password_file.write_text(USERS["boston_001"])
    wait_for(lambda: hints, "a connection")


def test_another_certificate_is_not_accepted(broker, password_file, hints, tmp_path, caplog):
    other = Broker(tmp_path)
    link = MqttLink(
        "boston_001",
        lambda: hints.append(1),
        host="127.0.0.1",
        port=broker.port,
        username="boston_001",
        password_file=password_file,
        ca_file=other.ca_file,
    )
    link.start()
    wait_for(lambda: "broker cannot be reached" in caplog.text, "a log line")
    link.close()
    assert not hints


def test_a_ca_file_that_is_none_is_a_config_error(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="ca_file"):
        MqttLink("boston_001", print, host="127.0.0.1", port=1, ca_file=tmp_path / "ca.pem")
