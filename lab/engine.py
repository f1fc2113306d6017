"""The Docker daemon of this machine: found, or started in the background and later stopped."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab.config import LabConfig
from lab.errors import LabError
from lab.processes import process_id, start_process, stop_process

if TYPE_CHECKING:
    from docker import DockerClient

START_SECONDS = 180.0
# Covers the default labs, so that one engine serves several of them.
INSECURE_NETWORK = "172.30.0.0/16"
PID_FILES = {
    "dockerd": Path("/var/run/docker.pid"),
    "containerd": Path("/var/run/docker/containerd/containerd.pid"),
}


def connect() -> DockerClient | None:
    """Return a client of the running Docker daemon, or None where none answers."""
    import docker
    from docker.errors import DockerException

    try:
        client: DockerClient = docker.from_env(timeout=180)
        client.ping()
    except DockerException:
        return None
    return client


def require() -> DockerClient:
    """Return a client of the running Docker daemon.

    Raises:
        LabError: no daemon answers.
    """
    client = connect()
    if client is None:
        raise LabError("no Docker engine answers; start the lab with: lab/lab up")
    return client


def ensure(config: LabConfig) -> DockerClient:
    """Return a client of the Docker daemon; start ``dockerd`` where none answers.

    Raises:
        LabError: ``dockerd`` is missing or does not come up.
    """
    client = connect()
    if client is not None:
        return client
    binary = shutil.which("dockerd")
    if binary is None:
        raise LabError("dockerd is missing; run lab/setup.sh as root, or: apt-get install docker.io")
    argv = [binary, "--insecure-registry", INSECURE_NETWORK]
    if not config.subnet.subnet_of(type(config.subnet)(INSECURE_NETWORK)):
        argv += ["--insecure-registry", str(config.subnet)]
    _forget_the_dead()
    start_process(config.engine_dir, "dockerd", argv)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        client = connect()
        if client is not None:
            return client
        if process_id(config.engine_dir, "dockerd") is None:
            break
        time.sleep(0.3)
    log = config.engine_dir / "dockerd.log"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    raise LabError(f"dockerd did not come up (it must run as root); the end of {log}:\n{tail}")


def _forget_the_dead() -> None:
    """Remove pid files that a killed Docker daemon left behind.

    dockerd only checks whether a process of that number exists; after a while one does, and is another.
    """
    for name, file in PID_FILES.items():
        try:
            pid = int(file.read_text())
            alive = Path(f"/proc/{pid}/comm").read_text().strip() == name
        except (OSError, ValueError):
            alive = False
        if not alive:
            file.unlink(missing_ok=True)


def started_by_lab(config: LabConfig) -> bool:
    """Return whether a lab started the Docker daemon that runs."""
    return process_id(config.engine_dir, "dockerd") is not None


def stop_if_ours(config: LabConfig, client: DockerClient) -> bool:
    """Stop the Docker daemon if a lab started it and no container is left in it."""
    # Not inspected: a container that is not the lab's may go between list and inspection.
    if not started_by_lab(config) or client.api.containers():
        return False
    return stop_process(config.engine_dir, "dockerd", seconds=60.0)
