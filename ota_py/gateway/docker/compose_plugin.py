"""The Docker Compose v2 plug-in of this machine: where it is, and the variables that it gets."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

from ota_py.errors import NotFoundError

_DIRECTORIES = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)

# Compose can fetch Compose files from Git and from registries. Nobody judges what is there, so it may not; a
# variable that is set already is not replaced by one of the project's .env.
_WITHOUT_REMOTES = {"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false"}


def environment() -> dict[str, str]:
    """The variables with which Compose runs."""
    return {**os.environ, **_WITHOUT_REMOTES}


@functools.cache
def command() -> list[str]:
    """The command line of Docker Compose: the plug-in itself where it is found, which saves 0.1 s.

    Raises:
        NotFoundError: Docker Compose v2 is not installed.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser() / "cli-plugins"
    for directory in (own, *_DIRECTORIES):
        path = Path(directory) / "docker-compose"
        if path.is_file():
            return [str(path)]
    if shutil.which("docker"):
        return ["docker", "compose"]
    raise NotFoundError(
        "Docker Compose v2 is not installed",
        hint="install the package docker-compose-plugin or docker-compose",
    )
