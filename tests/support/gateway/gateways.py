"""A gateway's directory for tests of the agent: configuration, token, state; no Docker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from ota_py.gateway.config import model, windows
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from tests.support.gateway import small_engine
from tests.support.gateway.small_control_plane import TOKEN
from tests.support.paths import ROOT

PLAIN = """gateway_id = "{gateway_id}"
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
    directory: Path,
    *,
    url: str = "",
    token: str = TOKEN,
    poll_seconds: float = 0.3,
    broker=None,
    broker_port: int | None = None,
    password: str = "",
    extra: str = "",
    gateway_id: str = "boston_001",
) -> Path:
    """Write gateway.toml and what it names; returns its path."""
    text = PLAIN.format(directory=directory, gateway_id=gateway_id)
    if url:
        (directory / "token").write_text(token)
        text += API.format(directory=directory, url=url, poll_seconds=poll_seconds)
    if broker is not None:
        (directory / "mqtt-password").write_text(password)
        text += MQTT.format(directory=directory, port=broker_port or broker.port, ca_file=broker.ca_file)
    path = directory / "gateway.toml"
    path.write_text(text + extra)
    return path


def closed_window() -> str:
    """A maintenance window that is not open while this test runs."""
    day = windows.DAYS[(datetime.now(UTC).weekday() + 3) % 7]
    return f"{day} 12:00-12:01"


def read(directory: Path) -> GatewayConfig:
    return model.load(directory / "gateway.toml")


class Gateway:
    """A gateway in a directory, its agent a real process, its engine `small_engine`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.agents: list[subprocess.Popen] = []

    def script(self, **plan) -> None:
        # Whole or not at all: an engine may be reading it.
        draft = self.directory / "script.json.new"
        draft.write_text(json.dumps(plan))
        draft.rename(self.directory / "script.json")

    def calls(self, word: str) -> list[str]:
        path = self.directory / "calls"
        return [line for line in path.read_text().splitlines() if line.startswith(word)] if path.exists() else []

    def start(self, *options: str, program: str = small_engine.__file__, **extra: str) -> subprocess.Popen:
        environment = {
            **os.environ,
            **extra,
            "OTA_GATEWAY_CONFIG": str(self.directory / "gateway.toml"),
            "SMALL_ENGINE": str(self.directory / "script.json"),
            "PYTHONPATH": str(ROOT),
        }
        with open(self.directory / "log", "a") as log:
            agent = subprocess.Popen(
                [sys.executable, program, "run", *options],
                env=environment,
                stderr=log,
                stdout=subprocess.PIPE,
            )
        self.agents.append(agent)
        return agent

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def journal(self) -> Journal:
        return Journal(read(self.directory))

    def last_state(self) -> str:
        with self.journal() as journal:
            last = journal.last_transaction()
            return str(last.state) if last else ""

    def waiting(self) -> int:
        with self.journal() as journal:
            return len(Outbox(journal).pending())

    def end(self) -> None:
        self.script()  # an update that waits for another goes on
        for agent in self.agents:
            agent.kill()
            agent.wait()
            agent.stdout.close()
