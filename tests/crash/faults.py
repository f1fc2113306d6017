"""Faults at failpoints: the process is killed, or the effect fails, hangs, or finds no space."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
from collections import Counter
from dataclasses import dataclass

from ota_py.gateway.system import failpoints
from tests.crash.case import Fault
from tests.crash.sim.docker import SimDocker

# What needs space on the gateway's disk. Once there is none, all of it fails until the process ends.
_GROWING = (
    "file.write",
    "file.copy",
    "file.mkdir",
    "file.produce",
    "file.append",
    "file.extend",
    "file.link",
    "file.unpack",
    "docker.pull",
)
# Programs that write to the gateway's disk.
_GROWING_PROGRAMS = ("process.tar", "process.docker", "process.python")
# Calls into another program. A disk that hangs is not one: nothing can kill such a process but a reboot.
_CAN_HANG = ("docker.", "process.", "compose.")


@dataclass(frozen=True)
class Place:
    """A place in a run: the name of a failpoint, and which time it is reached.

    As text: `journal.advance.STOPPED.before#1`.
    """

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}#{self.number}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """The place that a text names."""
        name, _, number = text.rpartition("#")
        return cls(name, int(number))


def possible(fault: Fault, name: str) -> bool:
    """Whether a kind of fault can come at a failpoint of a name."""
    if fault is Fault.KILLED_BEFORE:
        return name.endswith(".before")
    if fault is Fault.KILLED_AFTER:
        return not name.endswith(".before")
    if name.endswith(".after"):
        return False  # it has happened, without fault
    base = name.removesuffix(".before")
    if fault is Fault.HANG:
        return name.startswith(_CAN_HANG) and not _is_within_program(name)
    if fault is Fault.NO_SPACE:
        return base in _GROWING or base in _GROWING_PROGRAMS or name.startswith("journal.")
    return fault is Fault.ERROR and not _is_within_program(name)


def _is_within_program(name: str) -> bool:
    """Whether a failpoint is within a simulated program, where no fault can be armed."""
    return name in ("compose.stop.each", "compose.up.starting", "pg_restore.half-way", "find.half-way")


class Strike:
    """A handler for `failpoints.install` that lets one fault happen at one place.

    Attributes:
        struck: whether the place was reached.
    """

    def __init__(self, docker: SimDocker, place: Place, fault: Fault) -> None:
        self._docker = docker
        self._place = place
        self._fault = fault
        self._seen: Counter[str] = Counter()
        self.struck = False

    def __call__(self, name: str) -> None:
        """Let the fault happen if the failpoint is the place."""
        self._seen[name] += 1
        here = not self.struck and name == self._place.name and self._seen[name] == self._place.number
        self.struck = self.struck or here
        if here and self._fault in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER):
            os.kill(os.getpid(), signal.SIGKILL)
        if here and self._fault is Fault.HANG:
            self._docker.armed = "hang"
        if here and self._fault is Fault.ERROR:
            self._fail(name, errno.EIO, "disk I/O error", "error")
        if self.struck and self._fault is Fault.NO_SPACE and possible(Fault.NO_SPACE, name):
            self._fail(name, errno.ENOSPC, "database or disk is full", "no-space")

    def _fail(self, name: str, number: int, sqlite: str, armed: str) -> None:
        if name.startswith("file."):
            raise OSError(number, os.strerror(number))
        if name.startswith("journal."):
            raise sqlite3.OperationalError(sqlite)
        self._docker.armed = armed


def install(docker: SimDocker, place: Place, fault: Fault) -> Strike:
    """Install the fault at the place, in this process."""
    strike = Strike(docker, place, fault)
    failpoints.install(strike)
    return strike
