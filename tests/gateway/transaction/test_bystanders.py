"""Services that an update does not change keep running: same container, and nobody's connection drops."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.gateway.site import RUNS, UNHEALTHY, Site
from tests.support.ports import free_port

pytestmark = pytest.mark.docker

ECHO = b"#!/bin/sh\nexec nc -ll -p 7 -e cat\n"
PERIOD_SECONDS = 0.02
# Above what a busy machine makes of the period; the engine tells who was started or connected anew.
GAP_SECONDS = 15.0


class Stream:
    """A client that sends a line every 20 ms on one TCP connection, and wants each back."""

    def __init__(self, port: int) -> None:
        self.lines = 0
        self.longest = 0.0
        self.problem = ""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        answers = self._socket.makefile("rb")
        try:
            while not self._over.wait(PERIOD_SECONDS):
                line = f"line {self.lines}\n".encode()
                begun = time.monotonic()
                self._socket.sendall(line)
                got = answers.readline()
                if got != line:
                    raise OSError(f"sent {line!r}, got {got!r}")
                self.longest = max(self.longest, time.monotonic() - begun)
                self.lines += 1
        except OSError as error:
            self.problem = str(error) or type(error).__name__

    def close(self) -> None:
        self._over.set()
        self._thread.join(60)
        self._socket.close()


class Subscriber:
    """An MQTT client that stays connected, publishes every 20 ms, and wants each message back."""

    def __init__(self, port: int) -> None:
        self.came = 0
        self.longest = 0.0
        self.drops: list[str] = []
        self._last = time.monotonic()
        self._over = threading.Event()
        subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self._client.on_connect = lambda client, *_: client.subscribe("stay/connected")
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(60)
        self._last = time.monotonic()
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self._thread.start()

    def _publish(self) -> None:
        while not self._over.wait(PERIOD_SECONDS):
            self._client.publish("stay/connected", b"x")

    def _on_message(self, *_: Any) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._last)
        self._last = now
        self.came += 1

    def _on_disconnect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not self._over.is_set():
            self.drops.append(str(reason))

    def close(self) -> None:
        self._over.set()
        self._thread.join(60)
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def nobody_notices(site: Site, port: int) -> Iterator[None]:
    """Nothing that is connected to the echo service or the broker sees a gap while the block runs."""
    containers = [(site.ids()[name], started(site, name)) for name in ("echo", "broker")]
    stream, subscriber = Stream(port), Subscriber(site.port)
    try:
        yield
    finally:
        stream.close()
        subscriber.close()
    assert stream.problem == ""
    assert subscriber.drops == []
    assert stream.lines > 20
    assert subscriber.came > 20
    assert stream.longest < GAP_SECONDS
    assert subscriber.longest < GAP_SECONDS
    assert [(site.ids()[name], started(site, name)) for name in ("echo", "broker")] == containers


def started(site: Site, service: str) -> tuple[str, list[str]]:
    """When, and by which connections to networks."""
    found = site.container(service).attrs
    networks = found["NetworkSettings"]["Networks"].values()
    return str(found["State"]["StartedAt"]), sorted(network["EndpointID"] for network in networks)


def test_who_is_connected_to_what_does_not_change_notices_nothing(site: Site) -> None:
    port = free_port()
    image = site.push("echo", "1", ECHO)
    text = site.compose_file.read_text()
    echo = (
        f"  echo:\n    image: {image.pinned}\n    ports: ['127.0.0.1:{port}:7']\n"
        "    networks: [front]\n    stop_grace_period: 1s\n    volumes: ['shared:/shared']\n"
    )
    with_echo = text.replace("volumes:\n  data:", f"{echo}networks:\n  front:\nvolumes:\n  shared:\n  data:")
    site.compose_file.write_text(with_echo)
    override = site.project_dir / "docker-compose.override.yml"
    override.write_text("services: {app: {environment: {SITE: boston}}}\n")
    site.compose("-f", str(override), "up", "--detach", "--quiet-pull")

    # The update adds a network, shares a volume, and changes the override file: all of `app` alone.
    new = with_echo.replace("networks:\n  front:\n", "networks:\n  front:\n  back:\n")
    new = new.replace(
        "    network_mode: none\n    stop_grace_period: 2s\n    volumes:\n      - ./config",
        "    networks: [front, back]\n    stop_grace_period: 2s\n    volumes:\n"
        "      - shared:/shared\n      - ./config",
    )
    assert new.count("shared:/shared") == 2
    overridden = b"services: {app: {environment: {SITE: denver}}}\n"
    files = {"docker-compose.yml": new.encode(), "docker-compose.override.yml": overridden}
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")}, files)
    site.publish("1.2.0", {"app": site.push("app", "1.2.0", RUNS, UNHEALTHY)})

    with nobody_notices(site, port):
        result = site.update("1.1.0")
        assert result["outcome"] == "SUCCEEDED", result
    assert site.version_of("app") == "1.1.0"
    assert "denver" in site.output_of("app", "env")
    networks = site.container("app").attrs["NetworkSettings"]["Networks"]
    assert set(networks) == {f"{site.project}_front", f"{site.project}_back"}

    # A failed update comes back, and restores the database, beside them.
    with nobody_notices(site, port):
        result = site.update("1.2.0")
        assert result["outcome"] == "ROLLED_BACK", result
    assert site.version_of("app") == "1.1.0"
    assert site.readings() == [4.5]

    with nobody_notices(site, port):
        assert site.client_json("rollback")["outcome"] == "ROLLED_BACK"
    assert site.version_of("app") == "1.0.0"
    assert override.read_text() == "services: {app: {environment: {SITE: boston}}}\n"
