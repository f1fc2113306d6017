"""Probes: what a user of the gateway's services would notice."""

from __future__ import annotations

import http.client
import socket
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from ota_py.errors import OtaError
from ota_py.gateway.compose import Compose
from ota_py.manifest import CommandProbe, HttpProbe, MqttProbe, Probe, TcpProbe

_WORKERS = 8


def label(probe: Probe) -> str:
    """What people call a probe: `mqtt 127.0.0.1:1883`."""
    if isinstance(probe, HttpProbe):
        return f"http {probe.url}"
    if isinstance(probe, CommandProbe):
        return f"command in {probe.service}: {' '.join(probe.command)[:80]}"
    return f"{probe.type} {probe.host}:{probe.port}"


def run_all(probes: Sequence[Probe], compose: Compose) -> list[str]:
    """Run probes at the same time; for each an empty string, or what is wrong."""
    if not probes:
        return []
    with ThreadPoolExecutor(min(len(probes), _WORKERS)) as pool:
        return list(pool.map(lambda probe: run(probe, compose), probes))


def run(probe: Probe, compose: Compose) -> str:
    """Run one probe; an empty string when it passes, else what is wrong."""
    try:
        if isinstance(probe, HttpProbe):
            return _http(probe)
        if isinstance(probe, TcpProbe):
            return _tcp(probe)
        if isinstance(probe, MqttProbe):
            return _mqtt(probe)
        return _command(probe, compose)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    except OtaError as error:
        return error.message


def _http(probe: HttpProbe) -> str:
    parts = urlsplit(probe.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=probe.timeout_seconds)
    try:
        query = f"?{parts.query}" if parts.query else ""
        connection.request("GET", (parts.path or "/") + query)
        status = connection.getresponse().status
    finally:
        connection.close()
    return "" if status == probe.status else f"status {status}, expected {probe.status}"


def _tcp(probe: TcpProbe) -> str:
    socket.create_connection((probe.host, probe.port), timeout=probe.timeout_seconds).close()
    return ""


def _mqtt(probe: MqttProbe) -> str:
    """A message makes the round trip through the broker; a random one, so that no other can pass for it."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    payload = uuid.uuid4().hex.encode()
    arrived = threading.Event()

    def on_connect(client: paho.Client, _userdata: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        client.subscribe(probe.topic, qos=1)

    def on_subscribe(client: paho.Client, *_: Any) -> None:
        client.publish(probe.topic, payload, qos=1)

    def on_message(_client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        if message.payload == payload:
            arrived.set()

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.connect_timeout = probe.timeout_seconds
    client.connect(probe.host, probe.port)
    client.loop_start()
    try:
        came = arrived.wait(probe.timeout_seconds)
    finally:
        client.disconnect()
        client.loop_stop()
    return "" if came else f"no message came back on {probe.topic} within {probe.timeout_seconds:g} s"


def _command(probe: CommandProbe, compose: Compose) -> str:
    done = compose.exec(probe.service, probe.command, timeout_seconds=probe.timeout_seconds)
    return "" if done.status == 0 else f"exit status {done.status}: {done.problem}"
