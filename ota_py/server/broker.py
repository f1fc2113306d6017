"""The control plane's connection to the MQTT broker."""

from __future__ import annotations

import logging

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ota_py.errors import ConfigError
from ota_py.server.environment import BrokerSettings, read_secret

KEEPALIVE_SECONDS = 60
logger = logging.getLogger(__name__)


def new_client(broker: BrokerSettings) -> paho.Client:
    """A client that has its credentials, and reconnects by itself.

    Raises:
        ConfigError: the password or CA file cannot be read.
    """
    client = paho.Client(CallbackAPIVersion.VERSION2)
    if broker.username:
        password = read_secret(broker.password_file, "MQTT password file") if broker.password_file else None
        client.username_pw_set(broker.username, password)
    if broker.ca_file:
        try:
            client.tls_set(ca_certs=str(broker.ca_file))
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot use the MQTT CA file {broker.ca_file}: {error}") from None
    client.reconnect_delay_set(min_delay=1, max_delay=60)
    client.on_connect_fail = lambda *_: logger.warning("the MQTT broker %s cannot be reached", broker.host)
    return client


def start(client: paho.Client, broker: BrokerSettings) -> None:
    """Connect in a thread of the client's own, and stay connected."""
    client.connect_async(broker.host, broker.port, KEEPALIVE_SECONDS)
    client.loop_start()
