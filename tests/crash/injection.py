"""Faults at system calls: a whole run under strace, which kills it at a call or makes the call fail."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.crash import child, scenarios, strace
from tests.crash.case import Case, Fault, Layer, Report
from tests.crash.scenarios import Scenario
from tests.crash.sweep import Bench, bench, spread

SCENARIOS = ("update", "unhealthy")
# How many calls of each name are hit, in each scenario.
SHARE = 2
# What happens at which calls, in the words of strace.
CALLS = {
    Fault.KILLED_BEFORE: (
        "signal=KILL",
        ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "linkat", "unlink", "unlinkat"),
    ),
    Fault.NO_SPACE: (
        "error=ENOSPC",
        ("write", "pwrite64", "openat", "mkdir", "mkdirat", "rename", "renameat", "linkat"),
    ),
    Fault.ERROR: ("error=EIO", ("fsync", "fdatasync", "pwrite64", "unlink", "unlinkat")),
}
_TRACED = sorted({name for _, names in CALLS.values() for name in names})
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")


@dataclass(frozen=True)
class Hit:
    """One call of the recorded run; `number` counts all of that name, as strace does.

    As text: `write#17`.
    """

    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call}#{self.number}"


def sweep(scenario: Scenario, report: Report, only: tuple[Fault, str] | None = None) -> None:
    """Run and judge the scenario's share of calls for each kind of fault.

    Args:
        only: the one fault and call to run, as its text.
    """
    with bench(scenario) as at:
        hits = list(_hits(at))
        for fault, (_, names) in CALLS.items():
            chosen = [hit for n in names for hit in spread([h for h in hits if h.call == n], SHARE)]
            if only:
                chosen = [hit for hit in hits if only == (fault, str(hit))]
            for hit in chosen:
                report(_judged(at, fault, hit))


def _judged(at: Bench, fault: Fault, hit: Hit) -> Case:
    at.reset()
    what, _ = CALLS[fault]
    options = ["-e", f"trace={hit.call}", "-e", f"inject={hit.call}:{what}:when={hit.number}"]
    ended = _run(at, options)
    problem = "" if fault is Fault.KILLED_BEFORE else ended.problem
    if fault is Fault.KILLED_BEFORE and ended.status != child.KILLED:
        problem = f"{hit} was not reached"
    problem = problem or at.judge(reboot=False)
    reproduce = (
        f"python -m tests.crash --layer {Layer.SYSTEM_CALLS} --scenario {at.scenario.name} "
        f"--fault {fault} --point '{hit}'"
    )
    return Case(at.scenario.name, str(hit), fault, Layer.SYSTEM_CALLS, problem, reproduce)


def _hits(at: Bench) -> Iterator[Hit]:
    """The calls of the main thread that reach the engine's own files (not those of the simulation)."""
    at.reset()
    ended = _run(at, ["-y", "-e", "trace=" + ",".join(_TRACED)])
    if ended.problem:
        raise RuntimeError(f"{at.scenario.name} fails under strace: {ended.problem}")
    numbers: Counter[str] = Counter()
    lines = _output(at).read_text(errors="replace").splitlines()
    main = lines[0].split()[0]
    for line in lines:
        found = _LINE.match(line)
        if found is None or found[1] != main:
            continue
        numbers[found[2]] += 1
        creates = found[2] != "openat" or "O_CREAT" in found[3] or "O_TMPFILE" in found[3]
        ours = any(f"/gateway/{part}/" in found[3] for part in ("state", "project"))
        if creates and ours and "-shm" not in found[3] and "/lock" not in found[3]:
            yield Hit(found[2], numbers[found[2]])


def _run(at: Bench, options: list[str]) -> child.Ended:
    def act() -> None:
        at.gateway.install()
        scenarios.act(at.scenario, at.gateway)

    return strace.run(act, options, _output(at))


def _output(at: Bench) -> Path:
    return at.gateway.directory.parent / "calls"
