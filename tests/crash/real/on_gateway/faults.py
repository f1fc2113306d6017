"""Faults of a lab gateway: effects at failpoints, and of the machine around the engine. See driver.py."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from ota_py.errors import NoSpaceError
from ota_py.gateway.system import failpoints

HERE = Path(__file__).resolve().parent
FILLER = HERE / "filler"
# How long the Docker engine hangs.
HANG_SECONDS = 5


def at(point: str, nth: int, effect: Callable[[], None]) -> failpoints.Handler:
    """A handler that has the effect the n-th time that a failpoint is passed."""
    passed: collections.Counter[str] = collections.Counter()

    def handler(name: str) -> None:
        passed[name] += 1
        if name == point and passed[name] == nth:
            effect()

    return handler


def record(name: str) -> None:
    with open(HERE / "trace", "a") as file:
        file.write(f"{name}\n")


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_engine() -> None:
    """Kill the Docker daemon, as the kernel does where memory ends; the gateway's init starts it anew."""
    subprocess.run(["pkill", "-KILL", "-x", "dockerd"], check=True)


def prune() -> None:
    subprocess.run(["docker", "system", "prune", "--all", "--force"], check=True, stdout=2)


def prune_offline() -> None:
    cut_off_registry("-I")
    prune()


def cut_off_registry(action: str) -> None:
    rule = ["OUTPUT", "-d", (HERE / "registry").read_text(), "-j", "REJECT"]
    subprocess.run(["iptables", action, *rule], check=action == "-I")


def fill_and_fail() -> None:
    """Fill the disk to the last byte, and let the step fail as if it noticed."""
    for piece in (bytes(1 << 20), bytes(512)):
        with contextlib.suppress(OSError), open(FILLER, "ab", buffering=0) as file:
            while file.write(piece):
                pass
    raise NoSpaceError("the disk is full, on purpose")


def hang_engine() -> None:
    subprocess.run(["pkill", "-STOP", "-x", "dockerd"], check=True)
    script = f"sleep {HANG_SECONDS}; pkill -CONT -x dockerd"
    with contextlib.suppress(FileNotFoundError):
        subprocess.Popen(["sh", "-c", script], start_new_session=True)
