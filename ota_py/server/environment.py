"""The control plane's settings: one object, read from `OTA_SERVER_*` variables."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ota_py import durable
from ota_py.errors import ConfigError

SECRET_KEY_BYTES = 50
# The value of a list that is empty: an empty variable means the default.
NONE = "none"
MQTT_TLS_PORT = 8883
ONLINE_SECONDS_DEFAULT = 180
LOCAL_ADDRESSES = ("127.0.0.1", "::1")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class BrokerSettings:
    """The MQTT broker for hints; TLS is used when `ca_file` is given."""

    host: str
    port: int = MQTT_TLS_PORT
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True)
class ServerSettings:
    """Settings of one control plane.

    Attributes:
        database: `sqlite:///relative.sqlite3`, `sqlite:////absolute.sqlite3` or `postgresql://user:pass@host/name`.
        secret_key_file: signs the admin's sessions; created with mode 0600 by `ensure_secret_key`.
        allowed_hosts: host names that the admin answers to.
        trusted_origins: `https://...` origins of a TLS proxy in front of the admin.
        trusted_proxies: addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed.
        https: the admin is reached by HTTPS only: cookies are marked secure.
        online_seconds: a gateway that was seen within this time counts as online.
        freshness_file: where `serve` writes the repository's freshness, or None.
        mqtt: broker for hints, or None to send none.
    """

    database: str = "sqlite:///control-plane.sqlite3"
    secret_key_file: Path | None = None
    allowed_hosts: tuple[str, ...] = LOCAL_HOSTS
    trusted_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = LOCAL_ADDRESSES
    https: bool = False
    online_seconds: int = ONLINE_SECONDS_DEFAULT
    freshness_file: Path | None = None
    mqtt: BrokerSettings | None = field(default=None)

    def to_environment(self) -> dict[str, str]:
        """The variables that make `from_environment` return this object: for the server's processes."""
        values = {
            "DATABASE": self.database,
            "SECRET_KEY_FILE": str(self.secret_key_file or ""),
            "ALLOWED_HOSTS": ",".join(self.allowed_hosts),
            "TRUSTED_ORIGINS": ",".join(self.trusted_origins),
            "TRUSTED_PROXIES": ",".join(self.trusted_proxies) or NONE,
            "HTTPS": "1" if self.https else "",
            "ONLINE_SECONDS": str(self.online_seconds),
            "FRESHNESS_FILE": str(self.freshness_file or ""),
        }
        if self.mqtt:
            values |= {
                "MQTT_HOST": self.mqtt.host,
                "MQTT_PORT": str(self.mqtt.port),
                "MQTT_USERNAME": self.mqtt.username,
                "MQTT_PASSWORD_FILE": str(self.mqtt.password_file or ""),
                "MQTT_CA_FILE": str(self.mqtt.ca_file or ""),
            }
        return {f"OTA_SERVER_{name}": value for name, value in values.items()}


def from_environment(environ: Mapping[str, str] = os.environ) -> ServerSettings:
    """Read the settings; a variable that is absent or empty means its default.

    Raises:
        ConfigError: a number that is not one.
    """
    given = {
        name.removeprefix("OTA_SERVER_"): value
        for name, value in environ.items()
        if name.startswith("OTA_SERVER_") and value
    }
    return ServerSettings(
        database=given.get("DATABASE", ServerSettings.database),
        secret_key_file=_path(given, "SECRET_KEY_FILE"),
        allowed_hosts=_words(given, "ALLOWED_HOSTS") or LOCAL_HOSTS,
        trusted_origins=_words(given, "TRUSTED_ORIGINS"),
        trusted_proxies=_trusted_proxies(given),
        https=given.get("HTTPS", "").lower() in {"1", "true", "yes"},
        online_seconds=_integer(given, "ONLINE_SECONDS", ONLINE_SECONDS_DEFAULT),
        freshness_file=_path(given, "FRESHNESS_FILE"),
        mqtt=_mqtt(given),
    )


def networks(addresses: tuple[str, ...]) -> list[Network]:
    """The networks that the addresses and networks are.

    Raises:
        ConfigError: one is neither.
    """
    try:
        return [ipaddress.ip_network(address, strict=False) for address in addresses]
    except ValueError as error:
        raise ConfigError(
            f"a trusted proxy is given wrongly: {error}", hint="for example 10.0.0.5 or 10.0.0.0/8"
        ) from None


def ensure_secret_key(path: Path) -> None:
    """Write a new random secret key to `path` with mode 0600 unless the file is there already."""
    try:
        with durable.new_file(path, 0o600) as file:
            file.write(f"{secrets.token_urlsafe(SECRET_KEY_BYTES)}\n".encode())
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigError(f"cannot write the secret key file {path}: {error.strerror}") from None


def read_secret_key(path: Path | None) -> str:
    """The secret key in `path`. Without a path, a random one: sessions then end with the process.

    Raises:
        ConfigError: the file is missing, empty, or readable by others.
    """
    if path is None:
        return secrets.token_urlsafe(SECRET_KEY_BYTES)
    key = read_secret(path, "secret key file")
    if not key:
        raise ConfigError(f"the secret key file {path} is empty", hint="remove it and run init again")
    return key


def read_secret(path: Path, what: str) -> str:
    """The stripped text of a file that only its owner may read.

    Raises:
        ConfigError: the file is missing, or its mode lets others read it.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"the {what} {path} can be read by others", hint=f"chmod 600 {path}")
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}") from None


def _mqtt(given: Mapping[str, str]) -> BrokerSettings | None:
    if "MQTT_HOST" not in given:
        return None
    return BrokerSettings(
        host=given["MQTT_HOST"],
        port=_integer(given, "MQTT_PORT", MQTT_TLS_PORT),
        username=given.get("MQTT_USERNAME", ""),
        password_file=_path(given, "MQTT_PASSWORD_FILE"),
        ca_file=_path(given, "MQTT_CA_FILE"),
    )


def _trusted_proxies(given: Mapping[str, str]) -> tuple[str, ...]:
    words = _words(given, "TRUSTED_PROXIES")
    return () if words == (NONE,) else words or LOCAL_ADDRESSES


def _path(given: Mapping[str, str], name: str) -> Path | None:
    return Path(given[name]) if name in given else None


def _words(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in given.get(name, "").split(",") if word.strip())


def _integer(given: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(given.get(name, default))
    except ValueError:
        raise ConfigError(f"OTA_SERVER_{name} is not a number: {given[name]!r}") from None
