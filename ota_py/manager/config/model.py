"""The operator's configuration: `ota.toml`, read with tomllib and checked by models.

Relative paths in the file are relative to the file, so that a command works from any directory.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)

from ota_py import names
from ota_py.errors import ConfigError
from ota_py.registry_login import DOCKER_HUB
from ota_py.strict_json import describe
from ota_py.trust.documents.metadata import LIFETIMES, Lifetimes

CONFIG_FILE_NAME = "ota.toml"
CONFIG_VARIABLE = "OTA_CONFIG"
# Tables that may be left out. They are filled in before the check, not by the model's defaults, because only
# what is checked knows the directory that relative paths start from.
OPTIONAL_TABLES = ("keys", "expiry", "registry", "server", "ansible", "defaults")

Role = Literal["root", "release", "snapshot", "timestamp"]


def _directory(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("directory", "."))


def _below(path: Path, info: ValidationInfo) -> Path:
    return _directory(info) / path.expanduser()


def _file_uri(uri: str, info: ValidationInfo) -> str:
    # `file:keys/root.pem` and `file:repository` are relative to the configuration; the rest is as it stands.
    if uri.startswith("file:") and not uri.startswith("file://"):
        return f"file:{_below(Path(uri.removeprefix('file:')), info)}"
    return uri


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _database(url: str, info: ValidationInfo) -> str:
    # Three slashes: relative to the configuration. Four: absolute.
    if url.startswith("sqlite:///"):
        return f"sqlite:///{_below(Path(url.removeprefix('sqlite:///')), info)}"
    if url.startswith(("postgresql://", "postgres://")):
        return url
    raise ValueError("use sqlite:///FILE or postgresql://USER@HOST/NAME")


def _http_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("use a URL that starts with http:// or https://")
    return url.rstrip("/")


def _public_url(url: str) -> str:
    if not url.startswith(("http://", "https://", "file://")):
        raise ValueError("use a URL that starts with http://, https:// or file://")
    return url.rstrip("/")


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("use HOST:PORT, for example 0.0.0.0:8000")
    return text


def _networks(addresses: list[str]) -> list[str]:
    for address in addresses:
        ipaddress.ip_network(address, strict=False)
    return addresses


def _store(url: str, info: ValidationInfo) -> str:
    if url.startswith(("s3://", "file:")):
        return _file_uri(url, info)
    raise ValueError("use s3://BUCKET/PREFIX or file:DIRECTORY")


Location = Annotated[Path, AfterValidator(_below), Field(strict=False)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
KeyUri = Annotated[str, AfterValidator(_file_uri)]
# `release = "file:a.pem"` or `release = ["file:a.pem", "awskms:..."]`; always a list once it is read.
KeyUris = Annotated[list[KeyUri], BeforeValidator(_as_list), Field(min_length=1)]


class ManagerSection(BaseModel):
    """Base of all tables: an unknown key is an error, a value is never coerced, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class RepositorySection(ManagerSection):
    """The repository in which signed updates are published."""

    store: Annotated[str, AfterValidator(_store)] = Field(
        description="`s3://BUCKET/PREFIX` or `file:DIRECTORY`: where the manager writes"
    )
    endpoint_url: HttpUrl | None = Field(default=None, description="S3 server, where it is not AWS")
    region: str | None = Field(default=None, description="S3 region")
    credentials_file: Location | None = Field(
        default=None, description="AWS credentials file (0600); absent: the usual AWS environment and files"
    )
    public_url: Annotated[str, AfterValidator(_public_url)] = Field(
        description="the same place as gateways read it; has `metadata/` and `targets/` below it"
    )
    root: Location = Field(default=Path("root.json"), description="the fleet's trust anchor")


class KeysSection(ManagerSection):
    """The private keys that this machine has: for each role one URI, or a list of them.

    A URI is `file:PATH`, or one of securesystemslib such as `awskms:...` or `hsm:...`.
    """

    root: KeyUris = Field(
        default=["file:keys/root.pem"], description="URI or list of URIs: signs root.json; keep it offline"
    )
    release: KeyUris = Field(
        default=["file:keys/release.pem"], description="URI or list of URIs: signs manifests and targets"
    )
    snapshot: KeyUris = Field(
        default=["file:keys/online.pem"], description="URI or list of URIs: says which list is in force"
    )
    timestamp: KeyUris = Field(
        default=["file:keys/online.pem"],
        description="URI or list of URIs: says that it still is; may be the snapshot's key",
    )

    def of(self, role: str) -> list[str]:
        """The URIs of one role's keys."""
        uris: list[str] = getattr(self, role)
        return uris


class ExpirySection(ManagerSection):
    """Lifetimes of what is signed next, in days; gateways take no update after that."""

    root: int = Field(
        default=LIFETIMES.root, ge=1, le=3650, description="days that root.json holds; `keys renew` before"
    )
    release: int = Field(
        default=LIFETIMES.release,
        ge=1,
        le=3650,
        description="days that the list of updates holds; each release and `renew --release` sign it anew",
    )
    snapshot: int = Field(
        default=LIFETIMES.snapshot,
        ge=1,
        le=3650,
        description="days that the snapshot holds; each release, `renew`, or `serve` by itself, before",
    )
    timestamp: int = Field(
        default=LIFETIMES.timestamp,
        ge=1,
        le=3650,
        description="days that the timestamp holds; each release, `renew`, or `serve` by itself, before",
    )
    warn_percent: int = Field(default=33, ge=1, le=99, description="warn when so much of its time, or less, is left")

    @property
    def lifetimes(self) -> Lifetimes:
        """The lifetimes, as the trust library takes them."""
        return Lifetimes(self.root, self.release, self.snapshot, self.timestamp)


class RegistrySection(ManagerSection):
    """The registries where image tags are resolved to digests."""

    default: str = Field(default=DOCKER_HUB, description="put before image names that name no registry")
    insecure: list[str] = Field(default=[], description="registries to be reached by plain HTTP")


class ControlPlaneSection(ManagerSection):
    """The control plane's API."""

    url: HttpUrl = Field(description="base URL, without `/api`")
    token_file: Location = Field(default=Path("operator-token"), description="an operator's token (0600)")


class MqttSection(ManagerSection):
    """The broker through which `serve` wakes gateways."""

    host: str = Field(description="name or address")
    port: int = Field(default=8883, ge=1, le=65535, description="TCP port")
    username: str | None = Field(default=None, description="the control plane's own user")
    password_file: Location | None = Field(default=None, description="its password (0600)")
    ca_file: Location | None = Field(default=None, description="CA of the broker's certificate; turns TLS on")


class ServerSection(ManagerSection):
    """Settings of the control plane that `serve` runs."""

    listen: Annotated[str, AfterValidator(_listen)] = Field(
        default="127.0.0.1:8000", description="`HOST:PORT` to listen on"
    )
    database: Annotated[str, AfterValidator(_database)] = Field(
        default="sqlite:///control-plane.sqlite3",
        description="`sqlite:///FILE` or `postgresql://USER@HOST/NAME`",
    )
    secret_key_file: Location = Field(
        default=Path("control-plane.secret"), description="signs the admin's sessions (0600)"
    )
    allowed_hosts: list[str] = Field(
        default=[], description="host names that it answers to, besides this machine and control_plane.url's"
    )
    trusted_origins: list[str] = Field(
        default=[], description="`https://...` origins of a TLS proxy in front of the admin"
    )
    trusted_proxies: Annotated[list[str], AfterValidator(_networks)] = Field(
        default=["127.0.0.1", "::1"],
        description="addresses or networks of proxies in front: their `X-Forwarded-For` and `X-Forwarded-Proto` count",
    )
    https: bool = Field(default=False, description="the admin is reached by HTTPS only")
    renew: bool = Field(default=False, description="renew timestamp, and snapshot where its key is here, by itself")
    freshness_file: Location = Field(
        default=Path("freshness.json"), description="where it notes how fresh the repository is"
    )
    keep_events_days: int = Field(
        default=90, ge=1, le=36500, description="days after which `serve` deletes what gateways reported"
    )
    mqtt: MqttSection | None = None


class AnsibleSection(ManagerSection):
    """Settings that `rollout` gives to Ansible."""

    inventory: Location = Field(default=Path("inventory"), description="inventory of the gateways")


class DefaultsSection(ManagerSection):
    """Defaults of `create-update`."""

    compose: Location | None = Field(
        default=None, description="the fleet's current Compose file: service names are checked against it"
    )


class ManagerConfig(ManagerSection):
    """The whole of `ota.toml`.

    Attributes:
        path: the file that it was read from.
    """

    path: Annotated[Path, Field(exclude=True)]
    fleet: Annotated[str, Field(pattern=names.GROUP)] = Field(description="name of the fleet")
    repository: RepositorySection
    control_plane: ControlPlaneSection
    keys: KeysSection
    expiry: ExpirySection
    registry: RegistrySection
    server: ServerSection
    ansible: AnsibleSection
    defaults: DefaultsSection


def config_path(option: str | Path | None = None) -> Path:
    """The configuration's path: the `--config` option, `$OTA_CONFIG`, or `ota.toml` in the current directory."""
    return Path(option or os.environ.get(CONFIG_VARIABLE) or CONFIG_FILE_NAME).absolute()


def load_config(option: str | Path | None = None) -> ManagerConfig:
    """Read and check the configuration.

    Raises:
        ConfigError: missing, unreadable, not TOML, or wrong; names the file and each key.
    """
    path = config_path(option)
    return parse_config(_read_toml(path), path)


def parse_config(data: dict[str, Any], path: Path) -> ManagerConfig:
    """Check the content of an `ota.toml` that lies, or will lie, at `path`.

    Raises:
        ConfigError: naming the file and each wrong key.
    """
    try:
        tables = {name: {} for name in OPTIONAL_TABLES} | data | {"path": path}
        return ManagerConfig.model_validate(tables, context={"directory": path.parent})
    except ValidationError as error:
        raise ConfigError(
            f"{path}: {describe(error)}",
            hint="docs/operator-guide.md lists every key of ota.toml",
        ) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration at {path}",
            hint="run `ota_manager.py init` here, or name the file with --config or $OTA_CONFIG",
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", hint="correct that line of the file") from None
