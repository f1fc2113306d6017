"""Services that the engine stopped by itself, and does not start again.

An engine that starts after it was killed (by a person, or by the kernel for want of memory) finds its
containers running, stops them, and notes them down as stopped by hand. Under `unless-stopped` they stay
down for good, and nothing tells of it. What a person stopped, before that or long after it, stays down.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from ota_py.errors import OtaError
from ota_py.gateway.compose import Compose
from ota_py.gateway.container import Container
from ota_py.gateway.progress import Progress

PID_FILE = Path("/var/run/docker.pid")
_DEFAULT_HOSTS = ("", "unix:///var/run/docker.sock", "unix:///run/docker.sock")
_ALWAYS = ("always", "unless-stopped")
# The engine answers nobody while it stops what it found; then it is given as long again to come up.
SLACK_SECONDS = 20.0
ENGINE_SECONDS = 60.0


def engine_started(pid_file: Path = PID_FILE) -> float | None:
    """When the engine of this machine last started, in seconds since the epoch; None if that is unknown."""
    if os.environ.get("DOCKER_HOST", "") not in _DEFAULT_HOSTS:
        return None
    try:
        return pid_file.stat().st_mtime  # written once, before anything else
    except OSError:
        return None


class EngineWatch:
    """Notices that the engine was started anew. Costs one stat."""

    def __init__(self, pid_file: Path = PID_FILE) -> None:
        self._pid_file = pid_file
        self._seen = engine_started(pid_file)

    def restarted(self) -> bool:
        """Whether it was, since the last time that somebody asked."""
        before, now = self._seen, engine_started(self._pid_file)
        if now is None or now == before:
            return False  # while it is away there is nothing to be done
        self._seen = now
        return True


def revive(compose: Compose, progress: Progress) -> list[str]:
    """Start the services that the engine stopped when it started; returns their names.

    Raises no OtaError: it is no part of any transaction.
    """
    started = engine_started()
    if started is None:
        return []
    try:
        if time.time() - started < ENGINE_SECONDS:
            compose.wait_for_engine(ENGINE_SECONDS)
        found = lost(compose.containers(), started)
        for container in found:
            progress.note(f"{container.service} was stopped by the engine's restart; starting it")
        compose.start(found)
    except OtaError as error:
        progress.note(f"services that the engine stopped could not be started: {error.message}")
        return []
    return sorted({container.service for container in found})


def lost(containers: Sequence[Container], engine_start: float) -> list[Container]:
    """The containers that ran when the engine was killed, and are to run always. Pure.

    Args:
        engine_start: seconds since the epoch; nobody but the engine itself stops anything just after it.
    """
    return [
        container
        for container in containers
        if container.state == "exited"
        and container.restart_policy in _ALWAYS
        and engine_start <= container.finished <= engine_start + container.stop_seconds + SLACK_SECONDS
    ]
