"""Resolving a tag at a registry: a small image's answers, and Docker's stored login."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ota_py.manager.registry.resolve import TagResolver
from tests.support.manager.oci_images import digest

CONFIG = json.dumps({"os": "linux", "architecture": "amd64"}).encode()
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "config": {"digest": digest(CONFIG), "size": len(CONFIG)},
        "layers": [{"digest": digest(b""), "size": 7}],
    }
).encode()


def resolve(registry: str, name: str = "a/b:1"):
    client = TagResolver(registry, insecure=[registry])
    return client.resolve(client.parse(name))


def log_in(directory: Path, registry: str, login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store a login as `docker login` does."""
    auth = {"auths": {registry: {"auth": base64.b64encode(login.encode()).decode()}}}
    (directory / "config.json").write_text(json.dumps(auth))
    monkeypatch.setenv("DOCKER_CONFIG", str(directory))
