"""A container as the Docker room describes it, for tests that need no Docker."""

from __future__ import annotations

from ota_py.gateway.docker.container import Container

RUNNING = Container(
    id="c1",
    name="p-app-1",
    service="app",
    image_id="sha256:new",
    reference="registry/app@sha256:1",
    state="running",
    health="",
    exit_code=0,
    restarts=0,
    started=1_000.0,
    finished=0.0,
    stop_seconds=10,
    restart_policy="unless-stopped",
    mounts=(),
)
