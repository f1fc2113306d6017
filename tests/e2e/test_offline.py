"""A gateway whose link is cut: an update from a stick, and the way back, with no network at all."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import images
from lab.demo import output_of
from lab.operator import Operator
from tests.support.processes import captured
from tests.support.provisioned import create

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

VERSION = "1.7.0"
OTA = "/opt/restaurant-gateway/ota"
REACH = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"


class Box:
    """A gateway as who stands before it has it: no SSH, a keyboard."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.container = operator.container(operator.gateways[0])

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        argv = ["docker", "exec", self.container, "sh", "-c", line]
        return captured(argv, seconds=1800)  # the test's own limit

    def json(self, line: str) -> dict:
        done = self.type(f"{line} --json >/run/said")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(output_of(lambda: self.type("cat /run/said").stdout))

    def cut(self, action: str) -> None:
        """Let nothing in or out (`-I`), or undo that (`-D`)."""
        for chain, side in (("INPUT", "-i"), ("OUTPUT", "-o")):
            assert self.type(f"iptables {action} {chain} {side} eth0 -j DROP").returncode == 0

    def reaches(self, address: str) -> bool:
        host, _, port = address.rpartition(":")
        return self.type(f"python3 -c {shlex.quote(REACH)} {host} {port}").returncode == 0

    @property
    def bridge(self) -> str:
        """What the nested engine says runs."""
        line = "cd /opt/restaurant-gateway && docker compose exec -T mqtt-bridge cat /version"
        return output_of(lambda: self.type(line).stdout)


@pytest.fixture
def box(operator: Operator, releases: dict[str, str], tmp_path: Path) -> Iterator[Box]:
    """A gateway with the bundle in its `/media`, and its link cut."""
    images.build_and_push("mqtt-bridge", VERSION, images.GOOD, operator.config)
    create(operator, VERSION, {"mqtt-bridge": f"healthguard/mqtt-bridge:{VERSION}"})
    path = tmp_path / "update.bundle"
    made = operator.manager_json("export-bundle", "--version", VERSION, "--output", str(path))
    assert made["bytes"] == path.stat().st_size
    box = Box(operator)
    subprocess.run(["docker", "cp", str(path), f"{box.container}:/media/update.bundle"], check=True)
    box.cut("-I")
    try:
        yield box
    finally:
        box.cut("-D")
        box.type("rm /media/update.bundle")


@pytest.mark.case("A20", "F15")
def test_update_and_rollback_with_no_network_at_all(operator: Operator, box: Box):
    registry = operator.env["registry"]["address"]
    assert not box.reaches(registry)
    old = box.bridge
    assert box.json(f"{OTA}/ota-helper.sh update /media/update.bundle")["outcome"] == "SUCCEEDED"
    assert box.bridge == VERSION
    assert box.json(f"{OTA}/ota-helper.sh health-check")["healthy"]
    assert box.json(f"{OTA}/ota-helper.sh rollback")["outcome"] == "ROLLED_BACK"
    assert box.bridge == old
    assert not box.reaches(registry)
