"""The control plane's settings from the `[server]` table of `ota.toml`."""

from __future__ import annotations

from urllib.parse import urlsplit

from ota_py.manager.config import Config, MqttSection
from ota_py.server.environment import LOCAL_HOSTS, MqttSettings, ServerSettings


def server_settings(config: Config) -> ServerSettings:
    """What `serve` and `init` give to the control plane."""
    server = config.server
    own_host = urlsplit(config.control_plane.url).hostname or ""
    return ServerSettings(
        database=server.database,
        secret_key_file=server.secret_key_file,
        allowed_hosts=tuple(dict.fromkeys([*LOCAL_HOSTS, own_host, *server.allowed_hosts])),
        trusted_origins=tuple(server.trusted_origins),
        https=server.https,
        mqtt=_mqtt(server.mqtt) if server.mqtt else None,
    )


def _mqtt(section: MqttSection) -> MqttSettings:
    return MqttSettings(
        host=section.host,
        port=section.port,
        username=section.username or "",
        password_file=section.password_file,
        ca_file=section.ca_file,
    )
