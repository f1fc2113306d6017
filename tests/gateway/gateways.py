"""A gateway's directory for tests of the agent: configuration, token, state; no Docker."""

from __future__ import annotations

from pathlib import Path

from ota_py.gateway import config
from ota_py.gateway.config import Config
from tests.gateway.small_control_plane import TOKEN

PLAIN = """gateway_id = "boston_001"
fleet = "healthguard"
state_dir = "{directory}/state"
repository_url = "file://{directory}/repository"
groups = ["boston"]
initial_version = "1.1.0"
"""
API = """[api]
url = "{url}"
token_file = "{directory}/token"
poll_seconds = {poll_seconds}
"""
MQTT = """[mqtt]
host = "127.0.0.1"
port = {port}
username = "boston_001"
password_file = "{directory}/mqtt-password"
ca_file = "{ca_file}"
"""


def write(
    directory: Path, *, url: str = "", poll_seconds: float = 0.3, broker=None, password: str = ""
) -> Path:
    """Write gateway.toml and what it names; returns its path."""
    text = PLAIN.format(directory=directory)
    if url:
        (directory / "token").write_text(TOKEN)
        text += API.format(directory=directory, url=url, poll_seconds=poll_seconds)
    if broker is not None:
        (directory / "mqtt-password").write_text(password)
        text += MQTT.format(directory=directory, port=broker.port, ca_file=broker.ca_file)
    path = directory / "gateway.toml"
    path.write_text(text)
    return path


def read(directory: Path) -> Config:
    return config.load(directory / "gateway.toml")
