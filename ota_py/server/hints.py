"""Hints by MQTT: they make a gateway poll at once instead of at its next time, and carry no authority.

A hint that cannot be sent costs time, never an update: the poll delivers. So nothing here raises into a
request or holds it up for longer than `SEND_SECONDS`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache

import paho.mqtt.client as mqtt
from django.conf import settings

from ota_py.errors import ConfigError
from ota_py.server.broker import new_client, start
from ota_py.server.environment import BrokerSettings

# For all hints of one batch, connecting included.
SEND_SECONDS = 3.0
CHECK_SECONDS = 0.005
IN_FLIGHT_MAX = 1000
QUEUED_MAX = 20_000
QOS_AT_LEAST_ONCE = 1
logger = logging.getLogger(__name__)


class HintPublisher:
    """One connection to the broker, kept by a thread that reconnects by itself.

    Raises:
        ConfigError: the password or CA file cannot be read.
    """

    def __init__(self, broker: BrokerSettings) -> None:
        client = new_client(broker)
        client.max_inflight_messages_set(IN_FLIGHT_MAX)
        client.max_queued_messages_set(QUEUED_MAX)
        start(client, broker)
        self._client = client

    def publish(self, gateways: Iterable[str], version: str, rollout: int) -> list[str]:
        """Send each gateway its hint; return those whose hint the broker did not take in time.

        Such a hint stays queued and is sent when the broker is back.
        """
        payload = json.dumps({"version": version, "rollout": rollout})
        deadline = time.monotonic() + SEND_SECONDS
        _until(self._client.is_connected, deadline)
        sent = {
            gateway: self._client.publish(f"ota/{gateway}/hint", payload, QOS_AT_LEAST_ONCE) for gateway in gateways
        }
        return [gateway for gateway, message in sent.items() if not _taken(message, deadline)]

    def close(self) -> None:
        """Disconnect and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()


_making = threading.Lock()


def send_hints(gateways: list[str], version: str, rollout: int) -> list[str]:
    """Hint the gateways over this process's connection; return those that were not reached.

    Without a broker in the settings nobody expects a hint, and nothing is reported as failed.
    """
    broker: BrokerSettings | None = settings.SERVER.mqtt
    if broker is None or not gateways:
        return []
    try:
        with _making:
            publisher = _publisher(broker)
        return publisher.publish(gateways, version, rollout)
    except (ConfigError, ValueError, OSError) as error:
        logger.warning("hints were not sent: %s", error)
        return gateways


@cache
def _publisher(broker: BrokerSettings) -> HintPublisher:
    return HintPublisher(broker)


def _taken(message: mqtt.MQTTMessageInfo, deadline: float) -> bool:
    try:
        return _until(message.is_published, deadline)
    except (RuntimeError, ValueError):  # published without a connection, or too many are queued
        return False


def _until(holds: Callable[[], bool], deadline: float) -> bool:
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(CHECK_SECONDS)
    return held
