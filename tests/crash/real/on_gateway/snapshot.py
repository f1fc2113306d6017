"""Snapshots of a lab gateway, and the error for a violation. See real_judge.py."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import docker


class ViolationError(Exception):
    """An invariant that does not hold; the message states which, and what was found."""


@dataclass(frozen=True)
class GatewaySnapshot:
    """A snapshot of a gateway.

    Attributes:
        version: the version that is installed by the journal.
        images: service to image id.
        files: path to (sha256, mode, owner), of the project.
        rows: the rows of the database.
        containers: service to container id.
    """

    version: str
    images: dict[str, str]
    files: dict[str, tuple[str, int, int]]
    rows: list[str]
    containers: dict[str, str] = field(compare=False, default_factory=dict)


def wait_for_daemon(seconds: float = 180) -> None:
    """Wait until the Docker daemon answers."""
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
