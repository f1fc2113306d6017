"""The MQTT probe: whether messages pass through a broker."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from ota_py.gateway.config.model import LocalMqttProbe
from ota_py.manifest_health import MqttProbe

if TYPE_CHECKING:
    import paho.mqtt.client as paho
    from paho.mqtt.reasoncodes import ReasonCode


def round_trip(probe: MqttProbe, seconds: float) -> str:
    """Publish a message and receive it again; returns an empty string when it came back, else the problem.

    The message is random, so that no other can pass for it. It is not retained.

    Raises:
        OSError: the broker cannot be reached, or a file of the probe cannot be read.
    """
    deadline = time.monotonic() + seconds
    trip = _Trip(probe.topic)
    client = trip.client
    if isinstance(probe, LocalMqttProbe):
        _identify(client, probe)
    client.connect_timeout = seconds
    client.connect(probe.host, probe.port)
    client.loop_start()
    try:
        trip.over.wait(max(deadline - time.monotonic(), 0))
    finally:
        client.disconnect()
        client.loop_stop()
    return trip.problem or ("" if trip.over.is_set() else f"no message came back on {probe.topic} in time")


def _identify(client: paho.Client, probe: LocalMqttProbe) -> None:
    if probe.ca_file is not None:
        client.tls_set(ca_certs=str(probe.ca_file))
    if probe.username is not None:
        file = probe.password_file
        client.username_pw_set(probe.username, file.read_text(encoding="utf-8").strip() if file else None)


class _Trip:
    """One message on its way; `over` is set once it came back, or cannot any more for `problem`."""

    def __init__(self, topic: str) -> None:
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.over = threading.Event()
        self.problem = ""
        self._topic = topic
        self._payload = uuid.uuid4().hex.encode()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message

    def _on_connect(
        self, client: paho.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._fail(f"the broker refuses the connection: {reason}")
        else:
            client.subscribe(self._topic, qos=1)

    def _on_subscribe(
        self, client: paho.Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._fail(f"the broker refuses the subscription to {self._topic}")
        else:
            client.publish(self._topic, self._payload, qos=1)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        if message.payload == self._payload:
            self.over.set()

    def _fail(self, problem: str) -> None:
        self.problem = problem
        self.over.set()
