"""A Docker daemon of a test's own, on a small disk in memory, so that it may be pruned and filled up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from tests.support.waiting import wait_for

START_SECONDS = 180.0
# Of a network for documentation, which is nobody's: no container is connected to this bridge.
BRIDGE_ADDRESS = "192.0.2.1/29"
MACHINES_BRIDGE = Path("/sys/class/net/docker0")


class OwnEngine:
    """The Docker daemon that `docker` and this process talk to.

    Attributes:
        disk: where all its data is.
    """

    def __init__(self, disk: Path) -> None:
        self.disk = disk

    def prune(self) -> str:
        """Run `docker system prune --all`, with volumes; returns its output."""
        argv = ["docker", "system", "prune", "--all", "--force", "--volumes"]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def free_mib(self) -> int:
        found = os.statvfs(self.disk)
        return found.f_bavail * found.f_frsize // 1024**2

    def fill(self, left_mib: int) -> Path:
        """Fill the disk but for some bytes; returns the file to remove."""
        filler = self.disk / "filler"
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, (self.free_mib() - left_mib) * 1024**2)
        return filler


@contextmanager
def own_engine(directory: Path, mib: int) -> Iterator[OwnEngine]:
    """Run a Docker daemon below `directory`, on a disk of `mib` MiB, with the networks of the host and of projects.

    One with `--bridge=none` would remove the bridge `docker0`, and so the machine's own engine's network.
    """
    # Its socket's path must be short.
    disk, socket = directory / "disk", directory / "sock"
    disk.mkdir(parents=True)
    (directory / "daemon.json").write_text("{}")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", disk], check=True)
    was_there = MACHINES_BRIDGE.exists()
    bridge = f"ota{os.getpid()}"
    subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "add", BRIDGE_ADDRESS, "dev", bridge], check=True)
    argv = [
        *("dockerd", "--data-root", disk / "docker", "--exec-root", directory / "run"),
        *("--pidfile", directory / "pid", "--config-file", directory / "daemon.json"),
        *("--host", f"unix://{socket}", f"--bridge={bridge}", "--iptables=false", "--ip6tables=false"),
    ]
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", f"unix://{socket}")
            wait_for(lambda: _answers(process, directory / "log"), "the engine", START_SECONDS)
            assert MACHINES_BRIDGE.exists() == was_there
            yield OwnEngine(disk)
    finally:
        process.terminate()
        process.wait(60)
        subprocess.run(["ip", "link", "delete", bridge], check=True)
        for mounted in (disk, directory / "run" / "netns" / "default"):
            subprocess.run(["umount", "--lazy", mounted], check=True)


def _answers(process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")
    try:
        client = docker.from_env()
    except docker.errors.DockerException:
        return False
    client.close()
    return True
