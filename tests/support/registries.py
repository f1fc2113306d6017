"""A real image registry: Debian's docker-registry on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.processes import running


@contextmanager
def running_registry(directory: Path, **more: Any) -> Iterator[str]:
    """Run a registry that keeps its images below a directory, until the block ends; gives its `host:port`.

    Args:
        more: settings beyond the usual ones, such as `auth`.
    """
    port = free_port()
    address = f"127.0.0.1:{port}"
    settings = {
        "version": 0.1,
        "log": {"level": "error"},
        "http": {"addr": address},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
        **more,
    }
    config = directory / "config.yml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    with running(["docker-registry", "serve", str(config)], port, directory / "log"):
        yield address
