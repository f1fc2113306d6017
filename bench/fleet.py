"""A provisioned fleet for the benchmarks, in a lab of its own that is taken down at the end."""

from __future__ import annotations

import functools
import json
import os

from lab import engine, fleet, images
from lab.config import LabConfig
from lab.operator import Operator

SERVICE = "mqtt-bridge"
PROJECT = "/opt/restaurant-gateway"


@functools.cache
def operator() -> Operator:
    """Bring the fleet up once for all benchmarks of a run."""
    os.environ.setdefault("OTA_LAB_NAME", "ota-bench")
    os.environ.setdefault("OTA_LAB_SUBNET", "172.30.79.0/24")
    config = LabConfig.from_environment()
    fleet.up(config, None)
    fleet.reset(config, [])
    person = Operator(config)
    person.reset()
    person.init()
    person.serve()
    person.provision()
    person.wait_online()
    return person


def down() -> None:
    """Take the fleet down, if a benchmark of this run brought it up."""
    if operator.cache_info().currsize:
        fleet.down(operator().config, everything=False)


class Versions:
    """Maker of new images, each pulled for the first time by what is measured."""

    def __init__(self, person: Operator, major: int) -> None:
        self._factory = images.factory(person.config, engine.require(), lambda _: None)
        self._person = person
        self._major = major
        self._minor = 0

    def image(self) -> str:
        """Push an image that no gateway has seen; return its tag."""
        self._minor += 1
        tag = f"{self._major}.{self._minor}.0"
        self._factory.build_and_push(SERVICE, tag, images.GOOD)
        return tag

    def update(self) -> str:
        """Push an image and publish an update of it; return the version."""
        tag = self.image()
        named = json.dumps({SERVICE: f"healthguard/{SERVICE}:{tag}"})
        self._person.manager("create-update", "--version", tag, "--images", named)
        return tag
