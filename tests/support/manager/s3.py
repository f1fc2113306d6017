"""A store that speaks S3, and the credentials for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.processes import RCLONE, running

ACCESS_KEY, SECRET_KEY = "operator", "not-really-secret"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an S3 server with a bucket `ota`."""
    directory = tmp_path_factory.mktemp("s3")
    (directory / "data" / "ota").mkdir(parents=True)
    port = free_port()
    serve = [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    command = [*serve, "--vfs-cache-mode", "off", str(directory / "data")]
    env = os.environ | {"RCLONE_CONFIG": "/dev/null"}
    with running(command, port, directory / "log", env):
        yield f"http://127.0.0.1:{port}"


def credentials(directory: Path, secret: str = SECRET_KEY) -> Path:
    path = directory / "credentials"
    path.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n")
    path.chmod(0o600)
    return path
