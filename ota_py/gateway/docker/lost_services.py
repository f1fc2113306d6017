"""Services that the Docker daemon stopped by itself, and does not start again.

A Docker daemon that starts after it was killed (by a person, or by the kernel for want of memory) finds its
containers running, stops them, and records them as stopped by hand. Under `unless-stopped` they stay
down for good, without any message. Services that a person stopped, before that or long after it, stay down.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ota_py.errors import OtaError
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.docker.container import Container
from ota_py.gateway.docker.daemon_restarts import daemon_started
from ota_py.gateway.system.progress import Progress

_ALWAYS = ("always", "unless-stopped")
# The Docker daemon does not answer while it stops what it found; then it is given as long again to come up.
SLACK_SECONDS = 20.0
DAEMON_SECONDS = 60.0


def revive(compose: Compose, progress: Progress) -> list[str]:
    """Start the services that the Docker daemon stopped when it started; returns their names.

    Raises no OtaError: this is no part of any transaction.
    """
    started = daemon_started()
    if started is None:
        return []
    try:
        if time.time() - started < DAEMON_SECONDS:
            compose.wait_for_daemon(DAEMON_SECONDS)
        found = lost(compose.containers(), started)
        for container in found:
            progress.note(f"{container.service} was stopped by the Docker engine's restart; starting it")
        compose.start(found)
    except OtaError as error:
        progress.note(f"services that the Docker engine stopped could not be started: {error.message}")
        return []
    return sorted({container.service for container in found})


def lost(containers: Sequence[Container], daemon_start: float) -> list[Container]:
    """The containers that ran when the Docker daemon was killed, and are to run always. Pure.

    Args:
        daemon_start: seconds since the epoch; only the Docker daemon itself stops anything just after it.
    """
    return [
        container
        for container in containers
        if container.state == "exited"
        and container.restart_policy in _ALWAYS
        and daemon_start <= container.finished <= daemon_start + container.stop_seconds + SLACK_SECONDS
    ]
