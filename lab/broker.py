"""Files of the lab's MQTT broker: TLS, a user per gateway, access by pattern."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from lab import certificates
from lab.config import MQTT_PORT, LabConfig
from lab.state import private_dir, write_file

MOUNT = "/etc/lab-mqtt"
HASH_ROUNDS = 1000

CONFIGURATION = f"""\
user root
per_listener_settings false
listener {MQTT_PORT}
cafile {MOUNT}/tls/ca.crt
certfile {MOUNT}/tls/server.crt
keyfile {MOUNT}/tls/server.key
allow_anonymous false
password_file {MOUNT}/passwords
acl_file {MOUNT}/acl
persistence true
persistence_location /var/lib/mosquitto/
log_dest stdout
log_type error
log_type warning
log_type notice
"""

ACCESS = """\
pattern read ota/%u/hint
pattern write ota/%u/status

user control-plane
topic readwrite #
"""


def directory(config: LabConfig) -> Path:
    """Return where the broker's files are."""
    return config.state_dir / "mqtt"


def write_files(config: LabConfig, users: Mapping[str, str]) -> bool:
    """Write the broker's files; return whether the set of users changed."""
    base = private_dir(directory(config))
    certificates.ensure(base / "tls", config.mqtt_host, ["mqtt", config.container("mqtt")])
    write_file(base / "mosquitto.conf", CONFIGURATION)
    write_file(base / "acl", ACCESS)
    known = _known_users(base / "passwords")
    if known == set(users):
        return False
    write_file(base / "passwords", "".join(f"{user}:{_hash(word)}\n" for user, word in sorted(users.items())))
    return True


def _known_users(path: Path) -> set[str]:
    if not path.exists():
        return set()
    return {line.partition(":")[0] for line in path.read_text().splitlines()}


def _hash(password: str) -> str:
    """Hash a password as mosquitto_passwd does: PBKDF2 with SHA-512, type 7."""
    salt = os.urandom(12)
    raw = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS)
    return f"$7${HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(raw).decode()}"
