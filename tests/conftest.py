"""What tests of several parts share: one lab for the whole run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from lab.config import LabConfig

# Failed assertions of helpers are explained as those of tests are.
pytest.register_assert_rewrite("tests.support")

# The lab that tests use, beside one that a person may have running.
os.environ.setdefault("OTA_LAB_NAME", "ota-test")
os.environ.setdefault("OTA_LAB_SUBNET", "172.30.78.0/24")


# How long an example takes says nothing on a machine that does much else.
settings.register_profile("ota", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ota")

# A shell lets what it starts in the background ignore Ctrl-C, and programs inherit that from the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What changes the lab's gateways runs last; the rest may count on fresh ones."""
    items.sort(key=lambda item: "/tests/e2e/" in str(item.path))


@pytest.fixture(scope="session")
def lab_config() -> Iterator[LabConfig]:
    """Bring the lab up, or find it up; take it down afterwards only if it was not there before."""
    from lab import fleet, state

    config = LabConfig.from_environment()
    found = bool(state.load(config))
    fleet.up(config, None)
    yield config
    if not found:
        fleet.down(config, everything=False)
