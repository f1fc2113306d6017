"""A lab of its own for these tests, beside whichever lab is up already."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab.config import LabConfig

GATEWAYS = 2


@pytest.fixture(scope="session")
def lab_config() -> Iterator[LabConfig]:
    """Bring a lab up; take it down afterwards unless OTA_LAB_KEEP is set."""
    from lab import fleet

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTA_LAB_NAME", os.environ.get("OTA_LAB_NAME", "ota-lab-tests"))
        patch.setenv("OTA_LAB_SUBNET", os.environ.get("OTA_LAB_SUBNET", "172.30.78.0/24"))
        config = LabConfig.from_environment()
        fleet.up(config, GATEWAYS)
        yield config
        if not os.environ.get("OTA_LAB_KEEP"):
            fleet.down(config, everything=False)
