"""The simulated layer: find a scenario's points by running it once, then let faults come at each of them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ota_py.gateway import points
from ota_py.manifest import COMPOSE_FILE_NAME
from tests.crash import child, faults, invariants, scenarios, sim_speed
from tests.crash.case import Case, Fault, Layer, Report
from tests.crash.faults import Place
from tests.crash.scenarios import Scenario
from tests.crash.sim_clock import SimClock
from tests.crash.sim_gateway import SimGateway, World, unhealthy_compose_file

FAULTS = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.ERROR, Fault.HANG, Fault.NO_SPACE)
_KILLS = FAULTS[:2]
_MEMORY = Path("/dev/shm")

T = TypeVar("T")


@dataclass(frozen=True)
class Reached:
    """A point that a scenario reached without a fault.

    Attributes:
        disk: stands for all that is on the disk and in Docker at that moment.
        phase: the last that the journal says.
    """

    place: Place
    disk: int
    phase: str


class Bench:
    """A place to run one scenario again and again, each time from its beginning.

    Args:
        directory: in memory if possible; removed at the end by `bench`.
    """

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self.scenario = scenario
        self.clock = SimClock()
        self.gateway = SimGateway(directory / "gateway", self.clock)
        self._pristine = directory / "pristine"
        sim_speed.warm_up()
        self.worlds = self._make_worlds()
        compose_files = [world.files[COMPOSE_FILE_NAME][0] for world in self.worlds.values()]
        compose_files += [unhealthy_compose_file(text) for text in compose_files]
        sim_speed.warm_up(*(text.decode() for text in compose_files))
        self._prepare(scenario)
        shutil.copytree(self.gateway.directory, self._pristine, symlinks=True)
        _same_owners(self._pristine, self.gateway.directory)
        self._begun_at = self.clock.get()

    def reset(self) -> None:
        """Back to the beginning of the scenario."""
        put_back(self._pristine, self.gateway.directory)
        self.clock.set(*self._begun_at)

    def _make_worlds(self) -> dict[str, World]:
        """The versions that there are, as they are without any fault."""
        found: dict[str, World] = {}
        for name, steps in (("old", ()), ("new", (scenarios.named("update").act,))):
            self._prepare(Scenario(name, steps, SimGateway.recover, (), 0))
            found[name] = self.gateway.world()
        return found

    def _prepare(self, scenario: Scenario) -> None:
        self.clock.set(1000.0, 1.0, 0.0)
        scenarios.prepare(scenario, self.gateway)

    def record(self) -> list[Reached]:
        """The points that the scenario reaches, in order."""
        self.reset()
        ended = child.run(self._recorded)
        last = self.scenario.ends[-1]
        problem = ended.problem or self.judge({last: self.worlds[last]}, reboot=False)
        if problem:
            raise RuntimeError(f"{self.scenario.name} fails without any fault: {problem}")
        return [Reached(Place(name, number), disk, phase) for name, number, disk, phase in ended.answer]

    def _recorded(self) -> list[Any]:
        found: list[Any] = []
        seen: Counter[str] = Counter()
        phase = "begin"

        def note(name: str) -> None:
            nonlocal phase
            if name.startswith("journal.") and name.endswith(".after"):
                phase = name
            seen[name] += 1
            found.append((name, seen[name], fingerprint(self.gateway.directory), phase))

        self.gateway.install()
        points.install(note)
        scenarios.act(self.scenario, self.gateway)
        points.install(None)
        return found

    def strike(self, place: Place, fault: Fault) -> str:
        """Run into the fault; returns what was wrong about that already, or an empty string."""
        self.reset()
        ended = child.run(lambda: self._struck(place, fault))
        reached = ended.status == child.KILLED if fault in _KILLS else bool(ended.answer)
        return ended.problem or ("" if reached else f"{place} was not reached")

    def _struck(self, place: Place, fault: Fault) -> bool:
        self.gateway.install()
        strike = faults.install(self.gateway.docker, place, fault)
        scenarios.act(self.scenario, self.gateway)
        return strike.struck

    def judge(self, worlds: dict[str, World] | None = None, *, reboot: bool) -> str:
        """Recover, then say what does not hold.

        Args:
            worlds: what the gateway may be; the ends of the scenario if not given.
        """
        allowed = worlds or {name: self.worlds[name] for name in self.scenario.ends}
        ended = child.run(lambda: self._judged(allowed, reboot))
        return ended.problem or str(ended.answer)

    def _judged(self, worlds: dict[str, World], reboot: bool) -> str:
        self.gateway.install()
        if reboot:
            self.gateway.reboot()
        torn = invariants.torn(self.gateway, self.worlds.values())
        if torn:
            return torn
        invariants.recover(self.gateway)
        return invariants.violation(self.gateway, worlds)


@contextlib.contextmanager
def bench(scenario: Scenario) -> Iterator[Bench]:
    """A bench for the scenario."""
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else Path("/tmp")
    for left in parent.glob("ota-crash-*"):  # by a run that was killed itself
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    directory = parent / f"ota-crash-{os.getpid()}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    try:
        yield Bench(scenario, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def sweep(scenario: Scenario, wanted: Sequence[Fault], report: Report) -> None:
    """Run and judge the scenario's share of points for each kind of fault."""
    with bench(scenario) as at:
        reached = at.record()
        for fault in wanted:
            for place in choose(reached, fault, scenario.share):
                report(judged(at, place, fault))


def judged(at: Bench, place: Place, fault: Fault) -> Case:
    """One case. A kill after an effect is a reboot too: Docker starts what its restart policies say."""
    found = at.strike(place, fault) or at.judge(reboot=fault is Fault.KILLED_AFTER)
    reproduce = f"python -m tests.crash --scenario {at.scenario.name} --fault {fault} --point '{place}'"
    return Case(at.scenario.name, str(place), fault, Layer.SIM, found, reproduce)


def choose(reached: Sequence[Reached], fault: Fault, share: int) -> list[Place]:
    """The points to run for a kind of fault.

    A kill leaves what is on the disk and in Docker: every state of them that differs is run, in turn as a
    kill before an effect and as one after it. For the other faults one call of a name in a phase of the
    journal stands for all of them; if they are too many, one in each
    phase is taken, and some more, spread over the whole way.
    """
    if fault in _KILLS:
        return [place for place, kind in _kills(reached) if kind is fault]
    differ: dict[tuple[str, str], Place] = {}
    for point in reached:
        if faults.possible(fault, point.place.name):
            differ.setdefault((point.phase, point.place.name), point.place)
    first_of_phase = {phase: place for (phase, _), place in reversed(differ.items())}
    chosen = spread(list(first_of_phase.values())[::-1], share)
    others = [place for place in differ.values() if place not in chosen]
    return chosen + spread(others, share - len(chosen))


def _kills(reached: Sequence[Reached]) -> Iterator[tuple[Place, Fault]]:
    states: dict[int, list[Place]] = {}
    for point in reached:
        states.setdefault(point.disk, []).append(point.place)
    for number, places in enumerate(states.values()):
        for fault in (_KILLS[number % 2], _KILLS[1 - number % 2]):
            found = [place for place in places if faults.possible(fault, place.name)]
            if found:
                yield found[0], fault
                break


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, evenly, with the first and the last."""
    if len(items) <= count or count < 2:
        return list(items[:count])
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def fingerprint(directory: Path) -> int:
    """Stands for a tree as it is: names, inodes, sizes and times."""
    found = []
    for root, _, names in os.walk(directory):
        for name in names:
            try:
                status = os.lstat(os.path.join(root, name))
            except FileNotFoundError:
                continue  # another thread is at work
            found.append((root, name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode))
    return hash(tuple(sorted(found)))


def put_back(pristine: Path, directory: Path) -> None:
    """Make a directory a copy of another one, owners included."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(pristine, directory, symlinks=True)
    _same_owners(directory, pristine)


def _same_owners(directory: Path, like: Path) -> None:
    for path in like.rglob("*"):
        status = path.lstat()
        if status.st_uid != os.geteuid():
            os.chown(directory / path.relative_to(like), status.st_uid, -1, follow_symlinks=False)
