"""Restarts of the Docker daemon of this machine. Light: the agent keeps this module in memory."""

from __future__ import annotations

import os
from pathlib import Path

PID_FILE = Path("/var/run/docker.pid")
_DEFAULT_HOSTS = ("", "unix:///var/run/docker.sock", "unix:///run/docker.sock")


def daemon_started(pid_file: Path = PID_FILE) -> float | None:
    """When the Docker daemon last started, in seconds since the epoch; None where it is unknown or not running."""
    if os.environ.get("DOCKER_HOST", "") not in _DEFAULT_HOSTS:
        return None
    try:
        return pid_file.stat().st_mtime  # written once, before anything else
    except OSError:
        return None


class DaemonWatch:
    """Notices that the Docker daemon was started anew. Costs one stat."""

    def __init__(self, pid_file: Path = PID_FILE) -> None:
        self._pid_file = pid_file
        self._seen = daemon_started(pid_file)

    def restarted(self) -> bool:
        """Whether the Docker daemon was started anew since the last call."""
        now = daemon_started(self._pid_file)
        if now is None or now == self._seen:
            return False
        self._seen = now
        return True
