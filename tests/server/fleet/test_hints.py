"""Hints, against a real broker with TLS. One that cannot be sent is an event, never a failure (F22)."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ota_py.server import hints
from ota_py.server.environment import BrokerSettings
from tests.support.brokers import USERS, Broker
from tests.support.ports import free_port
from tests.support.server.world import World


class Listener:
    """A gateway that listens for its hints."""

    def __init__(self, broker: Broker, gateway: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self.arrived = threading.Event()
        subscribed = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(gateway, USERS[gateway])
        self.client.tls_set(ca_certs=str(broker.ca_file))
        self.client.on_connect = lambda client, *_: client.subscribe(f"ota/{gateway}/hint", qos=1)
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.on_message = self._hear
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert subscribed.wait(60)

    def _hear(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append({**json.loads(message.payload), "retained": message.retain})
        self.arrived.set()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path).start()
    yield broker
    broker.stop()


@pytest.fixture
def publishes(settings: Any, tmp_path: Path) -> Iterator[Any]:
    """Point the control plane at a broker; its connection ends with the test."""

    def to(port: int, password: str = USERS["control"], ca_file: Path | None = None) -> None:
        secret = tmp_path / "control-password"
        secret.touch(0o600)
        secret.write_text(password)
        mqtt = BrokerSettings("127.0.0.1", port, "control", secret, ca_file)
        settings.SERVER = dataclasses.replace(settings.SERVER, mqtt=mqtt)

    yield to
    if settings.SERVER.mqtt and hints._publisher.cache_info().currsize:
        hints._publisher(settings.SERVER.mqtt).close()
    hints._publisher.cache_clear()


def events(world: World, kind: str) -> list[str]:
    rows = world.reader.ok("GET", "/events")["events"]
    return [row["gateway"] for row in rows if row["kind"] == kind]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a running broker more time, which it may need on a loaded machine."""
    monkeypatch.setattr(hints, "SEND_SECONDS", 60)


class Clock:
    """A clock on which time passes only by sleeping: nothing else counts against the time limit of hints."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(hints, "time", clock)
    return clock


def test_a_started_batch_wakes_its_pull_gateways(world: World, broker: Broker, publishes: Any, patient: None) -> None:
    publishes(broker.port, ca_file=broker.ca_file)
    listener = Listener(broker, "boston_001")
    world.gateway("boston_001")
    rollout = world.running(["boston_001"])
    assert listener.arrived.wait(60)
    assert listener.heard == [{"version": "1.1.0", "rollout": rollout, "retained": False}]
    assert events(world, "hint_failed") == []
    listener.client.loop_stop()


def test_one_connection_is_kept(world: World, broker: Broker, publishes: Any) -> None:
    publishes(broker.port, ca_file=broker.ca_file)
    for number in range(3):
        world.gateway(f"gw_{number}")
        world.running([f"gw_{number}"], f"1.1.{number}")
    assert hints._publisher.cache_info().misses == 1
    assert hints._publisher.cache_info().hits == 2


def test_push_gateways_get_no_hint(world: World, publishes: Any, clock: Clock) -> None:
    publishes(free_port())
    world.gateway("boston_001", delivery="push")
    world.running(["boston_001"])
    assert clock.now == 0
    assert events(world, "hint_failed") == []


def test_a_broker_that_is_down_is_an_event_and_the_batch_is_assigned(
    world: World, publishes: Any, clock: Clock
) -> None:
    publishes(free_port())
    world.fleet(3)
    began = time.monotonic()
    rollout = world.running(["gw_000", "gw_001"])
    assert clock.now == pytest.approx(hints.SEND_SECONDS, abs=2 * hints.CHECK_SECONDS)  # for all together
    assert time.monotonic() - began < 60
    assert sorted(events(world, "hint_failed")) == ["gw_000", "gw_001"]
    assert world.result(rollout, "gw_000")["state"] == "ASSIGNED"


@pytest.mark.parametrize("fault", ["password", "certificate", "unreadable password", "no ca"])
def test_a_broker_that_does_not_let_us_in_is_an_event(
    world: World, broker: Broker, publishes: Any, tmp_path: Path, fault: str
) -> None:
    world.gateway("boston_001")
    if fault == "password":
        publishes(broker.port, password="wrong", ca_file=broker.ca_file)
    elif fault == "certificate":
        publishes(broker.port)
    elif fault == "no ca":
        publishes(broker.port, ca_file=tmp_path / "missing.pem")
    else:
        publishes(broker.port, ca_file=broker.ca_file)
        (tmp_path / "control-password").chmod(0o644)
    world.running(["boston_001"])
    assert events(world, "hint_failed") == ["boston_001"]


def test_without_a_broker_nobody_expects_hints(world: World) -> None:
    world.gateway("boston_001")
    world.running(["boston_001"])
    assert events(world, "hint_failed") == []
