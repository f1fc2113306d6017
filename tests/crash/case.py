"""A case of the crash matrix, one of its points: a fault at a place in a scenario, that was run and judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """The kind of fault that happens at a failpoint, a call or a moment."""

    KILLED_BEFORE = "killed-before"
    KILLED_AFTER = "killed-after"
    ERROR = "error"
    HANG = "hang"
    NO_SPACE = "no-space"
    POWER_CUT = "power-cut"


class Layer(StrEnum):
    """The layer that a case was run on."""

    SIM = "sim"
    """The real engine's code above a simulated Docker."""
    SYSTEM_CALLS = "system-calls"
    """The same with faults at system calls, or with what a power cut leaves of them."""
    REAL = "real"
    """A gateway with a real Docker daemon."""


@dataclass(frozen=True)
class Case:
    """One case of the matrix that was run and judged.

    Attributes:
        scenario: what the gateway was doing, such as `good-update`.
        point: where the fault came: name of the failpoint and which time it was reached, such as
            `journal.advance.STOPPED#1`.
        violation: what did not hold afterwards, or an empty string.
        reproduce: a command line that runs this one case again.
    """

    scenario: str
    point: str
    fault: Fault
    layer: Layer
    violation: str = ""
    reproduce: str = ""


# A layer hands each case over as soon as it is judged.
Report = Callable[[Case], None]
