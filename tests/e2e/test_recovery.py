"""A gateway killed in the middle of an update ends entirely old or entirely new (F01, F03, F06)."""

from __future__ import annotations

import pytest

from lab.operator import Operator
from tests.e2e.test_main_job import running_bridge

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CLIENT = "cd /opt/restaurant-gateway/ota && {environment} python3 ota_client.py {command} --json"


def client(operator: Operator, gateway: str, command: str, environment: str = "") -> int:
    line = CLIENT.format(environment=environment, command=command)
    return operator.on_gateway(gateway, "sh", "-c", line, check=False).returncode


def points(operator: Operator, gateway: str, version: str) -> list[str]:
    """The different points that a whole update passes, in order, found by running it twice.

    The second run finds the image there, as the runs that are killed do.
    """
    trace = "/tmp/ota-points"
    for _ in range(2):
        operator.on_gateway(gateway, "rm", "-f", trace)
        assert (
            client(operator, gateway, f"update --version {version} --force", f"OTA_CRASH_TRACE={trace}") == 0
        )
        assert client(operator, gateway, "rollback") == 0
    return list(dict.fromkeys(operator.on_gateway(gateway, "cat", trace).stdout.split()))


def test_f01_killed_at_points_all_along_the_way(operator: Operator, releases: dict[str, str]):
    gateway = operator.gateways[-1]
    version = releases["best"]
    operator.on_gateway(gateway, "lab-agent", "stop")  # so that nobody recovers before we look
    try:
        old = operator.client_json(gateway, "status")["version"]
        known = points(operator, gateway, version)
        assert len(known) > 20
        for point in [*known[:: len(known) // 12], known[-1]]:
            where = f"killed at {point}"
            assert (
                client(operator, gateway, f"update --version {version} --force", f"OTA_CRASH_AT={point}")
                == 137
            ), where
            assert client(operator, gateway, "recover") in (0, 30, 31), where
            found = operator.client_json(gateway, "status")
            assert found["version"] in (old, version), where
            assert running_bridge(operator, gateway) == found["version"], where
            assert client(operator, gateway, "health-check") == 0, where
            assert client(operator, gateway, "recover") == 0, f"{where}: recovering once more changes nothing"
            assert operator.client_json(gateway, "status")["version"] == found["version"], where
            if found["version"] == version:
                assert client(operator, gateway, "rollback") == 0
    finally:
        operator.on_gateway(gateway, "lab-agent", "start")
