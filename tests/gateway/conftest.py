"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.gateway.fixtures import (
    compose_plugin,
    control_plane,
    docker_client,
    keys,
    layers,
    operator_directory,
    real_control_plane,
    registry,
    site,
    token_file,
)
from tests.support.trust.published import publisher, served, signers

__all__ = [
    "compose_plugin",
    "control_plane",
    "docker_client",
    "keys",
    "layers",
    "operator_directory",
    "publisher",
    "real_control_plane",
    "registry",
    "served",
    "signers",
    "site",
    "token_file",
]
