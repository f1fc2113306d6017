"""Names of processor architectures: of image registries and manifests, of `uname -m`, and of Python wheels."""

from __future__ import annotations

import platform
from typing import Literal, get_args

# As Docker, image registries and manifests write it.
Architecture = Literal["amd64", "arm64", "arm"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
# By what `uname -m` prints.
BY_MACHINE: dict[str, Architecture] = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm"}
# The machine in the platform tags of wheels; there are none for armv6l.
WHEEL_MACHINES: dict[str, str] = {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l"}


def this_architecture() -> str:
    """This machine's architecture as image registries write it; of an unknown machine what `uname -m` prints."""
    machine = platform.machine()
    return BY_MACHINE.get(machine, machine)
