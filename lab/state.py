"""The lab's private files: one directory of mode 0700, written atomically."""

from __future__ import annotations

import fcntl
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.config import LabConfig
from lab.errors import LabError
from ota_py import durable

STATE_FILE = "state.json"


def private_dir(path: Path) -> Path:
    """Create a directory that only its owner can read."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_file(path: Path, data: bytes | str, mode: int = 0o600) -> None:
    """Replace a file as a whole, so that a killed lab never leaves half of one."""
    raw = data.encode() if isinstance(data, str) else data
    durable.replace(path, raw, mode)


def load(config: LabConfig) -> dict[str, Any]:
    """Return the stored state; empty where the lab never ran."""
    path = config.state_dir / STATE_FILE
    if not path.exists():
        return {}
    return dict(json.loads(path.read_text()))


def load_running(config: LabConfig) -> dict[str, Any]:
    """Return the state of a lab that ``up`` has prepared.

    Raises:
        LabError: there is no such lab.
    """
    state = load(config)
    if not state:
        raise LabError(f"lab {config.name!r} is not there; start it with: lab/lab up")
    return state


def save(config: LabConfig, state: dict[str, Any]) -> None:
    """Store the state."""
    private_dir(config.state_dir)
    write_file(config.state_dir.parent / ".gitignore", "*\n", 0o644)
    write_file(config.state_dir / STATE_FILE, json.dumps(state, indent=2) + "\n")


def ensure_secrets(state: dict[str, Any], gateways: list[str]) -> None:
    """Add the passwords and keys that are missing; keep those that are there."""
    state.setdefault("s3_access_key", "LAB" + secrets.token_hex(8).upper())
    state.setdefault("s3_secret_key", secrets.token_urlsafe(30))
    users = state.setdefault("mqtt_users", {})
    databases = state.setdefault("database_passwords", {})
    for user in [*gateways, "control-plane"]:
        users.setdefault(user, secrets.token_urlsafe(18))
    for gateway in gateways:
        databases.setdefault(gateway, secrets.token_urlsafe(18))


@contextmanager
def exclusive(path: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lab's lock, which the kernel drops when the process dies.

    Raises:
        LabError: another process holds it and ``wait`` is false.
    """
    private_dir(path.parent)
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise LabError(f"{what} is being changed by another process; wait for it to end") from None
        yield
