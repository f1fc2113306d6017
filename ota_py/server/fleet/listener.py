"""Presence of gateways by the MQTT broker: each agent's status, and its last will when it is gone.

It only makes the record quicker than the next missing poll: a gateway that polls or reports is online,
whatever the broker reports.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any, Protocol

import paho.mqtt.client as paho

from ota_py import names
from ota_py.server.broker import new_client, start
from ota_py.server.environment import BrokerSettings

TOPICS = "ota/+/status"
STATUS_MAX_BYTES = 4096
_TOPIC = re.compile(rf"ota/({names.GATEWAY_ID.strip('^$')})/status")
logger = logging.getLogger(__name__)


class Presence(Protocol):
    """Receiver of the gateways' presence."""

    def touch(self, gateway_id: str) -> None:
        """Record that the gateway is here now."""

    def gone(self, gateway_id: str) -> None:
        """Record that the gateway's agent has left the broker now."""


class Listener:
    """Subscriber to the agents' status for as long as it lives, in a thread of the client's own.

    Raises:
        ConfigError: the password or CA file cannot be read.
    """

    def __init__(self, broker: BrokerSettings, presence: Presence) -> None:
        self._presence = presence
        self._client = new_client(broker)
        self._client.on_connect = self._subscribe
        self._client.on_message = self._on_status
        start(self._client, broker)

    def close(self) -> None:
        """Disconnect and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self, client: paho.Client, *_: Any) -> None:
        client.subscribe(TOPICS, qos=1)

    def _on_status(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if len(message.payload) > STATUS_MAX_BYTES:
            return
        match = _TOPIC.fullmatch(message.topic)
        try:
            status = json.loads(message.payload)
        except (ValueError, RecursionError):
            status = None
        if match is None or not isinstance(status, dict):
            logger.warning("a status that is none was ignored: %s", message.topic)
        elif status.get("online") is True:
            # What was retained is of an unknown moment. An agent that came then may have gone unnoticed; one
            # that left then has not come back.
            if not message.retain:
                self._presence.touch(match[1])
        elif status.get("online") is False:
            self._presence.gone(match[1])
