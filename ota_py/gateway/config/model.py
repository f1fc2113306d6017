"""The gateway's configuration: /etc/ota/gateway.toml, written by provisioning."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ota_py import names
from ota_py.architectures import this_architecture
from ota_py.errors import ConfigError
from ota_py.gateway.config import data_directories, windows
from ota_py.manifest_fields import ServiceName, VersionText, Word
from ota_py.manifest_health import CommandProbe, HttpProbe, MqttProbe, TcpProbe
from ota_py.strict_json import describe

DEFAULT_PATH = Path("/etc/ota/gateway.toml")
# In [policy.grants]: what is of no service.
COMPOSE_FILE_GRANTS = "compose file"
_KINDS_WITHOUT_DETAIL = {
    "allow_host_namespaces": 'app = ["network_mode: host"]',
    "allow_capabilities": 'app = ["cap_add: NET_ADMIN", "devices: /dev/ttyUSB0:/dev/ttyUSB0:rwm"]',
    "allow_build": 'app = ["build: ..."], in the words of the refusal',
    "allow_remote_include": '"compose file" = ["include: ../shared.yml"]',
}
PATH_VARIABLE = "OTA_GATEWAY_CONFIG"


class GatewaySection(BaseModel):
    """Base of all sections: an unknown or mistyped setting is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiConfig(GatewaySection):
    """The control plane; without this section the gateway is reached by push or USB only."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    token_file: Path = Path("/etc/ota/token")
    poll_seconds: float = Field(default=60, gt=0, le=86400)
    ca_file: Path | None = None


class MqttConfig(GatewaySection):
    """The broker that wakes the agent."""

    host: str
    port: int = Field(default=8883, ge=1, le=65535)
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None


class DatabaseConfig(GatewaySection):
    """A database that belongs to the version: dumped before an update, restored by a rollback."""

    type: Literal["postgresql", "mysql", "sqlite", "volume", "directory"]
    service: ServiceName | None = Field(default=None, description="the Compose service that holds it")
    user: str | None = None
    name: str | None = Field(default=None, description="database name; for a volume its key in the Compose file")
    path: Path | None = Field(
        default=None,
        description="sqlite: path in the container of service, else on the host; "
        "directory: on the host, or relative to the project",
    )

    @model_validator(mode="after")
    def _complete(self) -> DatabaseConfig:
        needed = {
            "postgresql": ("service", "user", "name"),
            "mysql": ("service", "user", "name"),
            "sqlite": ("path",),
            "volume": ("name",),
            "directory": ("path",),
        }[self.type]
        missing = [field for field in needed if getattr(self, field) is None]
        if missing:
            raise ValueError(f"a database of type {self.type} needs {' and '.join(missing)}")
        return self

    @property
    def label(self) -> str:
        """The database's name for people: `postgresql gateway`."""
        return f"{self.type} {self.name or self.path}"


class MaintenanceConfig(GatewaySection):
    """Maintenance: when services may be touched. Fetching goes on at any time."""

    windows: list[str] = Field(
        default=[],
        description='local times, such as "mon-fri 02:00-05:00" or "sat,sun 22:00-06:00"; none: any',
    )
    veto_file: Path | None = Field(default=None, description="while it exists, nothing is touched")
    veto_command: list[str] = Field(default=[], description="exit status 0: go on; anything else: not now")
    veto_seconds: float = Field(default=10.0, gt=0, le=300, description="how long the command may take")
    critical_overrides: Literal["nothing", "window", "all"] = Field(
        default="window", description="what a critical update does not wait for"
    )

    @field_validator("windows")
    @classmethod
    def _readable(cls, texts: list[str]) -> list[str]:
        for text in texts:
            windows.parse(text)
        return texts


class HooksConfig(GatewaySection):
    """Executables of the gateway's owner, in DIRECTORY/POINT/, run in the order of their names."""

    directory: Path = Path("/etc/ota/hooks.d")
    timeout_seconds: float = Field(default=60.0, gt=0, le=3600)


class PolicyConfig(GatewaySection):
    """The policy: what an update's Compose file may request beyond what was given before. Names are services."""

    allow_privileged: list[ServiceName] = []
    allow_docker_socket: list[ServiceName] = []
    allow_mounts: list[Path] = Field(default=[], description="directories outside the project's own")
    allow_host_commands: bool = Field(default=False, description="hooks of an update that run on the gateway itself")
    grants: dict[str, list[str]] = Field(
        default={}, description="by service, each detail in the words of the refusal; of no service: `compose file`"
    )

    @model_validator(mode="before")
    @classmethod
    def _names_details(cls, data: Any) -> Any:
        """Refuse settings of older software that named a kind and no detail: which device, which path."""
        given = dict(data) if isinstance(data, dict) else {}
        for name, example in _KINDS_WITHOUT_DETAIL.items():
            if given.pop(name, None):
                raise ValueError(
                    f"{name} allows a kind without its detail, and is not read any more: "
                    f"grant each detail in [policy.grants], such as {example}"
                )
        return given if isinstance(data, dict) else data


class FetchConfig(GatewaySection):
    """Fetching: how an update comes over a bad or costly link."""

    bandwidth_kib: int | None = Field(default=None, ge=1, description="limit in KiB per second; none: no limit")
    relay_port: int = Field(
        default=5801, ge=1, le=65535, description="loopback port of the registry relay, for images piece by piece"
    )


class AgentConfig(GatewaySection):
    """Upgrades of the gateway software itself."""

    directory: Path = Field(
        default=Path("/opt/restaurant-gateway/ota"), description="holds venvs/NAME and the link venv"
    )
    restart_command: list[str] = Field(
        default=["systemctl", "restart", "ota-agent.service"],
        description="restarts the agent; empty where none is resident",
    )
    trial_seconds: float = Field(default=120.0, gt=0, le=3600, description="how long the new agent may take to come up")
    keep_venvs: int = Field(default=2, ge=2, description="builds to keep, with the one in use")


class LocalMqttProbe(MqttProbe):
    """An MQTT probe of this gateway's own, which may use secret files of the gateway."""

    username: str | None = None
    password_file: Annotated[Path | None, Field(strict=False)] = None
    ca_file: Annotated[Path | None, Field(strict=False, description="turns TLS on")] = None


LocalProbe = Annotated[HttpProbe | TcpProbe | LocalMqttProbe | CommandProbe, Field(discriminator="type")]


class GatewayConfig(GatewaySection):
    """One gateway's configuration. Paths of its state are properties."""

    gateway_id: Annotated[str, Field(pattern=names.GATEWAY_ID)]
    fleet: Word
    project_dir: Path = Path("/opt/restaurant-gateway")
    state_dir: Path = Path("/var/lib/ota")
    root: Path = Path("/etc/ota/root.json")
    repository_url: Annotated[str, Field(pattern=r"^(https?|file)://")]
    hardware: Word | None = None
    groups: list[Word] = []
    timeout_minutes: float = Field(default=30, gt=0, description="cap of a transaction, from first touch")
    fetch_minutes: float = Field(default=240, gt=0, description="cap of everything before the first touch")
    keep_backups: int = Field(default=3, ge=1)
    keep_backups_mib: int | None = Field(
        default=None, ge=1, description="space for backups; the last good one stays whatever it takes"
    )
    initial_version: VersionText = Field(description="what runs before the first update of ours")
    settle_seconds: float | None = Field(default=None, ge=0, description="overrides the manifest's")
    probe_seconds: float = Field(default=30, gt=0, description="how long probes may fail once containers are up")
    api: ApiConfig | None = None
    mqtt: MqttConfig | None = None
    maintenance: MaintenanceConfig = MaintenanceConfig()
    hooks: HooksConfig = HooksConfig()
    policy: PolicyConfig = PolicyConfig()
    fetch: FetchConfig = FetchConfig()
    agent: AgentConfig = AgentConfig()
    variables: dict[str, str | int | float | bool | list[str]] = {}
    databases: list[DatabaseConfig] = []
    probes: list[LocalProbe] = []

    @model_validator(mode="after")
    def _directories_hold_data(self) -> GatewayConfig:
        for database in self.databases:
            if database.type == "directory" and database.path:
                path = self.project_dir / database.path
                if problem := data_directories.problem(path, self.project_dir, self.state_dir):
                    raise ValueError(f"databases: {problem}; name a directory that holds nothing but data")
        return self

    @property
    def journal_path(self) -> Path:
        """The journal's SQLite file."""
        return self.state_dir / "journal.db"

    @property
    def lock_path(self) -> Path:
        """The file whose lock makes transactions exclusive."""
        return self.state_dir / "lock"

    @property
    def ballast_path(self) -> Path:
        """The file that keeps space aside for a rollback."""
        return self.state_dir / "ballast"

    @property
    def trust_dir(self) -> Path:
        """Directory of the cached repository metadata."""
        return self.state_dir / "trust"

    @property
    def backups_dir(self) -> Path:
        """Directory of the backups, with one directory for each."""
        return self.state_dir / "backups"

    @property
    def updates_dir(self) -> Path:
        """Directory of private verified copies of updates, with one directory for each version."""
        return self.state_dir / "updates"

    @property
    def agent_directory(self) -> Path:
        """Directory in which the gateway software is installed."""
        return self.agent.directory

    @property
    def upgrade_dir(self) -> Path:
        """Working directory of an upgrade of the gateway software."""
        return self.state_dir / "upgrade"

    @property
    def upgrade_lock_path(self) -> Path:
        """The file whose lock makes upgrades of the gateway software exclusive."""
        return self.state_dir / "upgrade.lock"

    @property
    def upgrade_log_path(self) -> Path:
        """Log file of the last upgrade of the gateway software."""
        return self.state_dir / "upgrade.log"

    @property
    def architecture(self) -> str:
        """This machine's architecture, as image registries call it."""
        return this_architecture()

    def template_variables(self, version: str) -> dict[str, object]:
        """The variables that a template of an update may use."""
        return {
            **self.variables,
            "gateway_id": self.gateway_id,
            "fleet": self.fleet,
            "hardware": self.hardware or "",
            "groups": list(self.groups),
            "version": version,
        }


def load(path: Path | None = None) -> GatewayConfig:
    """Read the configuration from `path`, else $OTA_GATEWAY_CONFIG, else /etc/ota/gateway.toml.

    Raises:
        ConfigError: missing, unreadable, or with a setting that is wrong; the message names each.
    """
    chosen = path or Path(os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)
    try:
        data = tomllib.loads(chosen.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot read the gateway's configuration {chosen}: {error.strerror}",
            hint=f"provision this gateway, or name the file with --config or ${PATH_VARIABLE}",
        ) from None
    except ValueError as error:  # covers TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(f"{chosen} is not valid TOML: {error}") from None
    try:
        return GatewayConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{chosen}: {describe(error)}", hint="correct the settings named") from None
