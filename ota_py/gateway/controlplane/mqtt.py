"""The MQTT link: a hint wakes the agent, and a retained status shows that the gateway is online.

A hint carries no authority: whatever is in it, the agent only polls the API. So a
hint that is forged, repeated or garbage costs one poll at most, and a silent broker costs a delay.
"""

from __future__ import annotations

import json
import logging
import random
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ota_py.errors import ConfigError

KEEPALIVE_SECONDS = 60
CONNECT_TIMEOUT_SECONDS = 10
RECONNECT_LIMIT_SECONDS = 120
# Each gateway starts its back-off at another point, so that a broker that restarts is not stormed.
RECONNECT_FIRST_SECONDS = (1, 5)
HINT_MAX_BYTES = 4096
CLOSE_WAIT_SECONDS = 0.5

log = logging.getLogger("ota.mqtt")


class MqttLink:
    """The connection to the broker, kept up in the background; never raises once it is built.

    Args:
        gateway_id: checked id of this gateway: its topics and its client id.
        on_hint: called in the link's own thread for each well-formed hint; must only wake another thread.
        ca_file: PEM certificates to trust; None connects without TLS (a broker on this machine).
        password_file: read for every connection, so that a rotated password is used at once.

    Raises:
        ConfigError: the CA file cannot be used.
    """

    def __init__(
        self,
        gateway_id: str,
        on_hint: Callable[[], None],
        *,
        host: str,
        port: int,
        username: str | None = None,
        password_file: Path | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._hint_topic = f"ota/{gateway_id}/hint"
        self._status_topic = f"ota/{gateway_id}/status"
        self._on_hint_callback = on_hint
        self._version = ""
        self._address = (host, port)
        self._username = username
        self._password_file = password_file
        self._client = self._build(f"ota-{gateway_id}", ca_file)

    def start(self) -> None:
        """Begin to connect, and stay connected, in a thread of its own."""
        host, port = self._address
        self._client.connect_async(host, port, keepalive=KEEPALIVE_SECONDS)
        self._client.loop_start()

    def announce(self, version: str) -> None:
        """Publish the version that runs in the retained status: now, or with the next connection."""
        self._version = version
        if self._client.is_connected():
            self._publish(online=True)

    def close(self) -> None:
        """Publish that the gateway goes offline, and disconnect; takes at most half a second, joins no hung thread."""
        if self._client.is_connected():
            farewell = self._publish(online=False)
            try:
                farewell.wait_for_publish(CLOSE_WAIT_SECONDS)
            except (RuntimeError, ValueError):
                log.debug("no farewell: the connection is gone")
        self._client.disconnect()

    def _build(self, client_id: str, ca_file: Path | None) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
        client.enable_logger(log)
        client.suppress_exceptions = True  # a hostile message must not end the thread: logged, and on we go
        client.connect_timeout = CONNECT_TIMEOUT_SECONDS
        client.reconnect_delay_set(random.randint(*RECONNECT_FIRST_SECONDS), RECONNECT_LIMIT_SECONDS)
        client.will_set(self._status_topic, json.dumps({"online": False}), qos=1, retain=True)
        if ca_file is not None:
            try:
                client.tls_set(ca_certs=str(ca_file), tls_version=ssl.PROTOCOL_TLS_CLIENT)
            except OSError as error:  # covers ssl.SSLError: not a certificate
                raise ConfigError(f"[mqtt] ca_file {ca_file} cannot be used: {error}") from None
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _publish(self, *, online: bool) -> paho.MQTTMessageInfo:
        payload = json.dumps({"online": online, "version": self._version})
        return self._client.publish(self._status_topic, payload, qos=1, retain=True)

    def _on_pre_connect(self, client: paho.Client, userdata: Any) -> None:
        if not self._username:
            return
        password = None
        if self._password_file is not None:
            try:
                password = self._password_file.read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                log.error("password file cannot be read file=%s reason=%s", self._password_file, error)
        client.username_pw_set(self._username, password)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            log.warning("broker refused the connection reason=%s", reason)
            return
        log.info("connected host=%s port=%d", *self._address)
        client.subscribe(self._hint_topic, qos=1)
        self._publish(online=True)
        # The broker keeps no hints for clients that are away: one may have been missed.
        self._on_hint_callback()

    def _on_connect_fail(self, client: paho.Client, userdata: Any) -> None:
        log.warning("broker cannot be reached host=%s port=%d", *self._address)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        log.log(logging.WARNING if reason.is_failure else logging.INFO, "disconnected reason=%s", reason)

    def _on_subscribe(
        self,
        client: paho.Client,
        userdata: Any,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("broker refused the subscription topic=%s; hints will not arrive", self._hint_topic)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        if message.topic != self._hint_topic or message.retain:
            log.warning("message ignored topic=%s retained=%s", message.topic, message.retain)
            return
        problem = _problem(message.payload)
        if problem:
            log.warning("hint ignored bytes=%d reason=%s", len(message.payload), problem)
            return
        log.info("hint received")
        self._on_hint_callback()


def _problem(payload: bytes | bytearray) -> str:
    """Why a message is not a hint, or an empty string. Its values are not used: the API is polled anyway."""
    if len(payload) > HINT_MAX_BYTES:
        return f"more than {HINT_MAX_BYTES} bytes"
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        return "not JSON"
    return "" if isinstance(data, dict) and isinstance(data.get("version"), str) else "not a hint"
