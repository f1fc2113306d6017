"""The lab that the roles' Molecule scenarios run on: one gateway, its servers and an operator.

`python tests/molecule/lab.py up` starts what is missing, `down` removes it. Its name and network are its own,
so that it can stand beside the lab of a person or of the tests.
"""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from lab.config import LabConfig  # noqa: E402
from lab.operator import Operator  # noqa: E402

NAME = "ota-molecule"
SUBNET = "172.30.81.0/24"
IMAGES = '{"mqtt-bridge": "healthguard/mqtt-bridge:1.1.0"}'


def lab(*arguments: str) -> None:
    """Run a command of the lab."""
    subprocess.run(
        [str(ROOT / "lab" / "lab"), *arguments],
        env={**os.environ, "OTA_LAB_NAME": NAME, "OTA_LAB_SUBNET": SUBNET},
        check=True,
    )


def config() -> LabConfig:
    """Where this lab is."""
    return LabConfig(NAME, ipaddress.IPv4Network(SUBNET))


def up() -> None:
    """A gateway with nothing of ours on it, and an operator who has published 1.1.0."""
    lab("up", "--gateways", "1")
    lab("publish-images")
    operator = Operator(config())
    operator.init()
    operator.serve()
    operator.write_inventory()
    if "1.1.0" not in operator.manager("list-updates").stdout:
        operator.manager("create-update", "--version", "1.1.0", "--images", IMAGES)


def down() -> None:
    """Remove all of it, whatever an earlier run left: its servers need not answer for that."""
    lab("down")


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]]()
