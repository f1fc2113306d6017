"""Power cuts: a run is recorded call by call, then recovered from what each moment leaves on the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.crash import scenarios, strace
from tests.crash.case import Case, Fault, Layer, Report
from tests.crash.disk import Disk
from tests.crash.replay import RECORDED, Replay
from tests.crash.scenarios import Scenario
from tests.crash.sweep import Bench, bench, spread

# Recorded scenarios, and how many cuts of each are run, at most.
SHARES = {"update": 38, "unhealthy": 38, "rollback": 20, "recovery-started": 15, "fetch": 10}
_STRINGS_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class Cut:
    """A moment at which the power may go.

    Attributes:
        place: the call just before it, such as `fsync#12`.
        names_kept: see `Disk.walk`.
        step: number of the call in the recording.
    """

    place: str
    names_kept: bool
    step: int

    def __str__(self) -> str:
        return f"{self.place}{'+names' if self.names_kept else ''}"


def sweep(scenario: Scenario, report: Report, only: str = "") -> None:
    """Cut the power at the scenario's share of moments, recover, and judge.

    Args:
        only: the one cut to run, as its text.
    """
    with bench(scenario) as at:
        calls = record(at)
        found = list(cuts(at, calls))
        chosen = [cut for cut in found if str(cut) == only] if only else spread(found, SHARES[scenario.name])
        for cut in chosen:
            lay_out(at, calls, cut)
            report(judged(at, cut))


def judged(at: Bench, cut: Cut) -> Case:
    """Recover from what the cut left, and judge."""
    reproduce = f"python -m tests.crash --scenario {at.scenario.name} --fault {Fault.POWER_CUT} --point '{cut}'"
    problem = at.judge(reboot=True)
    return Case(at.scenario.name, str(cut), Fault.POWER_CUT, Layer.SYSTEM_CALLS, problem, reproduce)


def record(at: Bench) -> list[strace.Call]:
    """The file-changing calls of one run without a fault, with their data."""
    at.reset()
    output = at.gateway.directory.parent / "calls"
    options = ["-xx", "-s", str(_STRINGS_BYTES), "-e", "trace=" + ",".join(RECORDED)]

    def act() -> None:
        at.gateway.install()
        scenarios.act(at.scenario, at.gateway)

    ended = strace.run(act, options, output)
    if ended.problem:
        raise RuntimeError(f"{at.scenario.name} fails under strace: {ended.problem}")
    return list(strace.parse(output))


def cuts(at: Bench, calls: list[strace.Call]) -> Iterator[Cut]:
    """The moments of a power cut that differ in what they leave on the disk."""
    at.reset()
    disk = Disk(at.gateway.directory)
    replay = Replay(disk)
    seen: set[str] = set()
    numbers: Counter[str] = Counter()
    for step, call in enumerate(calls):
        if not replay.apply(call):
            continue
        numbers[call.name] += 1
        for names_kept in (False, True):
            left = disk.digest(names_kept=names_kept)
            if left not in seen:
                seen.add(left)
                yield Cut(f"{call.name}#{numbers[call.name]}", names_kept, step)


def lay_out(at: Bench, calls: list[strace.Call], cut: Cut) -> None:
    """Make the gateway what the power cut leaves of it."""
    at.reset()
    disk = Disk(at.gateway.directory)
    replay = Replay(disk)
    for call in calls[: cut.step + 1]:
        replay.apply(call)
    disk.write(Path(at.gateway.directory), names_kept=cut.names_kept)
    at.clock.sleep(120.0)
