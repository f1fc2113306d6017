"""The whole crash matrix: its jobs, and the size that it promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.crash import injection, power, scenarios, sweep
from tests.crash.case import Case, Fault, Layer, Report

# What `make crash` must reach.
POINTS_MIN = 1000
REAL_MIN = 148
# At least so large a part of all points is on a real engine.
REAL_SHARE = 0.1
# What the points that need no gateway must keep to, so that the whole holds whenever REAL_MIN are run beside
# them: each part can judge itself, wherever the other one runs.
OTHERS = range(POINTS_MIN - REAL_MIN, round(REAL_MIN / REAL_SHARE) - REAL_MIN + 1)


@dataclass(frozen=True)
class Job:
    """One scenario on one layer, with all of its faults; what one process does at a time."""

    layer: Layer
    scenario: str
    faults: tuple[Fault, ...]

    def run(self, report: Report) -> None:
        """Run and judge the cases of the job."""
        scenario = scenarios.named(self.scenario)
        if self.layer is Layer.SIM:
            sweep.sweep(scenario, self.faults, report)
        elif self.faults == (Fault.POWER_CUT,):
            power.sweep(scenario, report)
        else:
            injection.sweep(scenario, report)


def jobs() -> list[Job]:
    """All jobs that need no gateway; the longest first."""
    simulated = [Job(Layer.SIM, scenario.name, sweep.FAULTS) for scenario in scenarios.SCENARIOS]
    cuts = [Job(Layer.SYSTEM_CALLS, name, (Fault.POWER_CUT,)) for name in power.SHARES]
    injected = [Job(Layer.SYSTEM_CALLS, name, tuple(injection.CALLS)) for name in injection.SCENARIOS]
    return [*simulated, *cuts, *injected]


def parts() -> int:
    """In how many tests these jobs are run: a simulated one in one for each kind of fault."""
    return sum(len(job.faults) if job.layer is Layer.SIM else 1 for job in jobs())


def one(layer: Layer, scenario: str, fault: Fault, point: str) -> Iterator[Case]:
    """Run one case again, as its `reproduce` names it."""
    found: list[Case] = []
    if layer is Layer.REAL:
        from lab.config import LabConfig
        from tests.crash.real import sweep as real

        real.one(LabConfig.from_environment(), scenario, point, fault, found.append)
    elif layer is Layer.SIM:
        with sweep.bench(scenarios.named(scenario)) as at:
            found.append(sweep.judged(at, sweep.Place.parse(point), fault))
    elif fault is Fault.POWER_CUT:
        power.sweep(scenarios.named(scenario), found.append, point)
    else:
        injection.sweep(scenarios.named(scenario), found.append, (fault, point))
    yield from found


def summary(cases: Sequence[Case]) -> str:
    """The last line of `make crash`."""
    layers = Counter(case.layer for case in cases)
    violations = sum(bool(case.violation) for case in cases)
    return f"crash matrix: {len(cases)} points, {layers[Layer.REAL]} on a real engine, {violations} violations"


def misfit(cases: Sequence[Case]) -> str:
    """What is wrong with the number of cases that were run without a gateway, or an empty string."""
    count = sum(case.layer is not Layer.REAL for case in cases)
    if count in OTHERS:
        return ""
    return f"{count} points without a gateway, expected {OTHERS.start} to {OTHERS.stop - 1}"


def shortfall(cases: Sequence[Case]) -> str:
    """What is missing in these cases of the promised matrix, or an empty string."""
    real = sum(case.layer is Layer.REAL for case in cases)
    if len(cases) < POINTS_MIN:
        return f"{len(cases)} points, expected at least {POINTS_MIN}"
    if real < REAL_MIN or real < REAL_SHARE * len(cases):
        return f"{real} of {len(cases)} points on a real engine, expected {REAL_MIN} and a tenth at least"
    return ""
