"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.gateway.fetching import fetching, link
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
from tests.support.gateway.postgresql import with_postgresql
from tests.support.gateway.stick import stick
from tests.support.trust.published import publisher, served, signers

__all__ = [
    "compose_plugin",
    "control_plane",
    "docker_client",
    "fetching",
    "keys",
    "layers",
    "link",
    "operator_directory",
    "publisher",
    "real_control_plane",
    "registry",
    "served",
    "signers",
    "site",
    "stick",
    "token_file",
    "with_postgresql",
]
