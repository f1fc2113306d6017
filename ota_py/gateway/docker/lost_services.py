"""Services that the engine stopped by itself, and does not start again.

An engine that starts after it was killed (by a person, or by the kernel for want of memory) finds its
containers running, stops them, and notes them down as stopped by hand. Under `unless-stopped` they stay
down for good, and nothing tells of it. What a person stopped, before that or long after it, stays down.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ota_py.errors import OtaError
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.docker.container import Container
from ota_py.gateway.docker.daemon_restarts import engine_started
from ota_py.gateway.system.progress import Progress

_ALWAYS = ("always", "unless-stopped")
# The engine answers nobody while it stops what it found; then it is given as long again to come up.
SLACK_SECONDS = 20.0
ENGINE_SECONDS = 60.0


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
