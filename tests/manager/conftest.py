"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.gateway.fixtures import compose_plugin, docker_client
from tests.support.manager.fleets import fleet, ota, registry, served_fleet
from tests.support.manager.s3 import s3
from tests.support.selfupdate.fixtures import factory, make_box

__all__ = ["compose_plugin", "docker_client", "factory", "fleet", "make_box", "ota", "registry", "s3", "served_fleet"]
