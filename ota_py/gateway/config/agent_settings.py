"""The part of the configuration that the agent needs, without the library that checks it.

The whole of pydantic would stay in the agent's memory for months (11 of 37 MB) to read one file once.
So the configuration is read and checked by `ota_py.gateway.config.model` as ever, but in a process that ends.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ota_py.gateway.system import process

if TYPE_CHECKING:
    from ota_py.gateway.config.model import GatewayConfig

READ_TIMEOUT_SECONDS = 60.0
_PATHS = (
    *("state_dir", "journal_path", "backups_dir", "lock_path"),
    *("upgrade_lock_path", "upgrade_log_path", "agent_directory"),
)
_READ = "import pathlib, sys; paths = map(pathlib.Path, sys.argv[1:])\n"
_READ += "from ota_py.gateway.config import agent_settings, model; agent_settings.dump(model.load(*paths))"


@dataclass(frozen=True)
class ApiSettings:
    """The section `[api]`."""

    url: str
    token_file: Path
    poll_seconds: float
    ca_file: Path | None


@dataclass(frozen=True)
class MqttSettings:
    """The section `[mqtt]`."""

    host: str
    port: int
    username: str | None
    password_file: Path | None
    ca_file: Path | None


@dataclass(frozen=True)
class MaintenanceSettings:
    """The section `[maintenance]`."""

    windows: list[str]
    veto_file: Path | None
    veto_command: list[str]
    veto_seconds: float
    critical_overrides: str


@dataclass(frozen=True)
class Settings:
    """The agent's part of `ota_py.gateway.config.model.GatewayConfig`; fields of one name mean the same."""

    gateway_id: str
    initial_version: str
    state_dir: Path
    journal_path: Path
    backups_dir: Path
    lock_path: Path
    upgrade_lock_path: Path
    upgrade_log_path: Path
    agent_directory: Path
    api: ApiSettings | None
    mqtt: MqttSettings | None
    maintenance: MaintenanceSettings


def load(path: Path | None = None) -> Settings:
    """Read the configuration that `config.load(path)` reads, by a short-lived process.

    Raises:
        ConfigError: as `config.load(path)` does.
    """
    named = [] if path is None else [str(path)]
    done = process.run([sys.executable, "-c", _READ, *named], timeout_seconds=READ_TIMEOUT_SECONDS)
    if done.status:
        from ota_py.gateway.config import model

        return parse(_document(model.load(path)))  # raises what went wrong there
    return parse(json.loads(done.stdout))


def dump(config: GatewayConfig) -> None:
    """Print a configuration as the document that `load` reads."""
    sys.stdout.write(json.dumps(_document(config)))


def parse(document: dict[str, Any]) -> Settings:
    """The settings of a document that `dump` printed."""
    values = {**document, **_paths(document, *_PATHS)}
    if api := document["api"]:
        values["api"] = ApiSettings(**{**api, **_paths(api, "token_file", "ca_file")})
    if mqtt := document["mqtt"]:
        values["mqtt"] = MqttSettings(**{**mqtt, **_paths(mqtt, "password_file", "ca_file")})
    maintenance = document["maintenance"]
    values["maintenance"] = MaintenanceSettings(**{**maintenance, **_paths(maintenance, "veto_file")})
    return Settings(**values)


def _document(config: GatewayConfig) -> dict[str, Any]:
    sections = config.model_dump(
        mode="json", include={"gateway_id", "initial_version", "state_dir", "api", "mqtt", "maintenance"}
    )
    return {**sections, **{name: str(getattr(config, name)) for name in _PATHS}}


def _paths(section: dict[str, Any], *names: str) -> dict[str, Path | None]:
    return {name: Path(section[name]) if section[name] is not None else None for name in names}
