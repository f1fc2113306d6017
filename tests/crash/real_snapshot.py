"""How a lab gateway looks, and when that is a violation. See real_judge.py."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import docker


class ViolationError(Exception):
    """An invariant does not hold; the message says which, and what was found."""


@dataclass(frozen=True)
class GatewaySnapshot:
    """How the gateway looks.

    Attributes:
        version: what the journal says is installed.
        images: service to image id.
        files: path to (sha256, mode, owner), of the project.
        rows: what the database holds.
        containers: service to container id.
    """

    version: str
    images: dict[str, str]
    files: dict[str, tuple[str, int, int]]
    rows: list[str]
    containers: dict[str, str] = field(compare=False, default_factory=dict)


def wait_for_daemon(seconds: float = 180) -> None:
    """Return once Docker answers."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(Exception), contextlib.closing(docker.from_env(timeout=30)) as client:
            client.ping()
            return
        if time.monotonic() > deadline:
            raise ViolationError(f"the Docker engine does not answer after {seconds} s")
        time.sleep(0.2)


def snapshot_of(data: dict[str, Any]) -> GatewaySnapshot:
    files = {path: tuple(found) for path, found in data.pop("files").items()}
    return GatewaySnapshot(**data, files=files)
