"""The control plane's settings from the `[server]` table of `ota.toml`."""

from __future__ import annotations

from urllib.parse import urlsplit

from ota_py.manager.config import Config
from ota_py.server.environment import LOCAL_HOSTS, MqttSettings, ServerSettings


def server_settings(config: Config) -> ServerSettings:
    """What `serve` and `init` give to the control plane."""
    server = config.server
    own_host = urlsplit(config.control_plane.url).hostname or ""
    mqtt = server.mqtt and MqttSettings(
        host=server.mqtt.host,
        port=server.mqtt.port,
        username=server.mqtt.username or "",
        password_file=server.mqtt.password_file,
        ca_file=server.mqtt.ca_file,
    )
    return ServerSettings(
        database=server.database,
        secret_key_file=server.secret_key_file,
        allowed_hosts=tuple(dict.fromkeys([*LOCAL_HOSTS, own_host, *server.allowed_hosts])),
        trusted_origins=tuple(server.trusted_origins),
        https=server.https,
        mqtt=mqtt,
    )
