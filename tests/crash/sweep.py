"""The simulated layer: find a scenario's failpoints by running it once, then let faults come at each of them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ota_py.gateway.system import failpoints
from ota_py.manifest import COMPOSE_FILE_NAME
from tests.crash import child, faults, invariants, scenarios
from tests.crash.case import Case, Fault, Layer, Report
from tests.crash.faults import Place
from tests.crash.scenarios import Scenario
from tests.crash.sim import speed as sim_speed
from tests.crash.sim.clock import SimClock
from tests.crash.sim.gateway import SimGateway, World
from tests.crash.sim.release import NEW, unhealthy_compose_file

FAULTS = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.ERROR, Fault.HANG, Fault.NO_SPACE)
_KILLS = FAULTS[:2]
# What a gateway may entirely be, and how it came there.
WORLDS: dict[str, tuple[scenarios.Action, ...]] = {
    "old": (),
    "new": (scenarios.named("update").act,),
    # The Compose file names the images as they came.
    "new-by-bundle": scenarios.steps("bundle"),
}
# Of this process (they name its relay): made once for all benches.
_worlds: dict[int, dict[str, World]] = {}
# Where it is as small as a container's is by default, a recording would fill it.
_MEMORY, _MEMORY_BYTES = Path("/dev/shm"), 1 << 30
_REACHED = re.compile(r"journal\.advance\.([A-Z_]+)\.after")

T = TypeVar("T")


@dataclass(frozen=True)
class Reached:
    """A failpoint that a scenario reached without a fault.

    Attributes:
        disk: stands for all that is on the disk and in Docker at that moment.
        phase: the last that the journal says; state: where its transaction is by then, if there is one.
    """

    place: Place
    disk: int
    phase: str
    state: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """The kind of the failpoint, one of which stands for all: its phase, and its name without the side."""
        return self.phase, self.place.name.removesuffix(".before").removesuffix(".after")


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
        if os.getpid() not in _worlds:
            _worlds[os.getpid()] = self._make_worlds()
        self.worlds = _worlds[os.getpid()]
        compose_files = [world.files[COMPOSE_FILE_NAME][0] for world in self.worlds.values()]
        compose_files += [unhealthy_compose_file(text) for text in compose_files]
        sim_speed.warm_up(*(text.decode() for text in compose_files))
        self._prepare(scenario)
        shutil.copytree(self.gateway.directory, self._pristine, symlinks=True)
        _same_owners(self._pristine, self.gateway.directory)
        self._begun_at = self.clock.get()
        self._touches = invariants.touches(self.gateway)
        self._state = invariants.state(self.gateway)

    def reset(self) -> None:
        """Put the gateway back to the beginning of the scenario."""
        put_back(self._pristine, self.gateway.directory)
        self.clock.set(*self._begun_at)

    def _make_worlds(self) -> dict[str, World]:
        """Record each world, as it is without any fault."""
        found: dict[str, World] = {}
        for name, steps in WORLDS.items():
            self._prepare(Scenario(name, steps, SimGateway.recover, (), 0))
            found[name] = self.gateway.world()
            assert (found[name].version == NEW) is bool(steps), f"{name} is not what it is called"
        return found

    def _prepare(self, scenario: Scenario) -> None:
        self.clock.set(1000.0, 1.0, 0.0)
        scenarios.prepare(scenario, self.gateway)

    def record(self) -> list[Reached]:
        """The failpoints that the scenario reaches, in order."""
        found, problem = self.without_fault()
        if problem:
            raise RuntimeError(f"{self.scenario.name} fails without any fault: {problem}")
        return [Reached(Place(name, number), *rest) for name, number, *rest in found]

    def without_fault(self) -> tuple[list[Any], str]:
        """Run the scenario to its end: the failpoints that it reaches, and what does not hold then."""
        self.reset()
        ended = child.run(self._recorded)
        return ended.answer, ended.problem or self.judge(self.scenario.ends[-1:], reboot=False)

    def _recorded(self) -> list[Any]:
        found: list[Any] = []
        seen: Counter[str] = Counter()
        phase, state = "begin", self._state

        def note(name: str) -> None:
            nonlocal phase, state
            if name.startswith("journal.") and name.endswith(".after"):
                phase = name
                state = "RECEIVED" if name == "journal.begin.after" else state
            if reached := _REACHED.fullmatch(name):
                state = reached[1]
            seen[name] += 1
            found.append((name, seen[name], fingerprint(self.gateway.directory), phase, state))

        self.gateway.install()
        failpoints.install(note)
        scenarios.act(self.scenario, self.gateway)
        failpoints.install(None)
        return found

    def strike(self, place: Place, fault: Fault) -> str:
        """Run the scenario into the fault; returns what was wrong already then, or an empty string."""
        self.reset()
        ended = child.run(lambda: self._struck(place, fault))
        reached = ended.status == child.KILLED if fault in _KILLS else bool(ended.answer)
        return ended.problem or ("" if reached else f"{place} was not reached")

    def _struck(self, place: Place, fault: Fault) -> bool:
        self.gateway.install()
        strike = faults.install(self.gateway.docker, place, fault)
        scenarios.act(self.scenario, self.gateway)
        return strike.struck

    def judge(self, ends: tuple[str, ...] | None = None, *, reboot: bool) -> str:
        """Recover, and return what does not hold.

        Args:
            ends: see `Scenario`, whose ends they are if not given.
        """
        allowed = self.scenario.ends if ends is None else ends
        ended = child.run(lambda: self._judged(allowed, reboot))
        return ended.problem or str(ended.answer)

    def _judged(self, ends: tuple[str, ...], reboot: bool) -> str:
        gateway, worlds = self.gateway, {name: self.worlds[name] for name in ends}
        gateway.install()
        if reboot:
            gateway.reboot()
        if torn := invariants.torn(gateway, self.worlds.values()):
            return torn
        invariants.recover(gateway)
        if touched := invariants.touched_while_held(gateway, self.worlds["old"]):
            return touched
        gateway.go_on()
        if self.scenario.untouched and invariants.touches(gateway) != self._touches:
            return "a service was stopped or started"
        if not worlds:
            return invariants.broken_unreported(gateway) or invariants.torn(gateway, self.worlds.values())
        return invariants.violation(gateway, worlds)


def place() -> Path:
    """The directory of benches: in memory, if there is enough of it."""
    is_fit = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).total >= _MEMORY_BYTES
    return _MEMORY if is_fit else Path("/tmp")


@contextlib.contextmanager
def bench(scenario: Scenario) -> Iterator[Bench]:
    """A bench for the scenario."""
    parent = place()
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
    """Run and judge the scenario's share of failpoints for each kind of fault."""
    with bench(scenario) as at:
        reached = at.record()
        for fault in wanted:
            for place in places(scenario, reached, fault):
                report(judged(at, place, fault))


def judged(at: Bench, place: Place, fault: Fault) -> Case:
    """Run and judge one case. A kill after an effect is a reboot too: Docker starts by its restart policies."""
    found = at.strike(place, fault) or at.judge(reboot=fault is Fault.KILLED_AFTER)
    reproduce = f"python -m tests.crash --scenario {at.scenario.name} --fault {fault} --point '{place}'"
    return Case(at.scenario.name, str(place), fault, Layer.SIM, found, reproduce)


def places(scenario: Scenario, reached: Sequence[Reached], fault: Fault) -> list[Place]:
    """The failpoints to run for a kind of fault, of the part that the scenario is about."""
    part = [point for point in reached if re.search(scenario.part, point.place.name)]
    return choose(part, fault, scenario.share, every_state=scenario.every_state)


def choose(reached: Sequence[Reached], fault: Fault, share: int, *, every_state: bool = True) -> list[Place]:
    """The failpoints that stand for all of those reached; `share` and `every_state`: see `Scenario`.

    A kill leaves what is on the disk and in Docker: of points with the same state of both one is run, in turn
    as a kill before an effect and as one after it. For the other faults one call of a name in a phase of the
    journal stands for all of them; if they are too many, one is taken in each state, then one in each phase,
    and then some more, spread over the whole way.
    """
    if fault in _KILLS:
        return [place for place, kind in _kills(reached, every_state) if kind is fault]
    found = [point for point in reached if faults.possible(fault, point.place.name)]
    chosen: list[Place] = []
    for first_of in (lambda p: p.state, lambda p: p.phase, lambda p: p.kind):
        firsts = {first_of(point): point.place for point in found[::-1]}
        others = [place for place in list(firsts.values())[::-1] if place not in chosen]
        chosen += spread(others, share - len(chosen))
    return chosen


def _kills(reached: Sequence[Reached], every_state: bool) -> Iterator[tuple[Place, Fault]]:
    states: dict[int, list[Reached]] = {}
    for point in reached:
        states.setdefault(point.disk, []).append(point)
    seen: set[tuple[str, str]] = set()
    for number, points_there in enumerate(states.values()):
        for fault in (_KILLS[number % 2], _KILLS[1 - number % 2]):
            found = [point for point in points_there if faults.possible(fault, point.place.name)]
            if found and (every_state or found[0].kind not in seen):
                seen.add(found[0].kind)
                yield found[0].place, fault
                break


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, evenly, with the first and the last."""
    if len(items) <= count or count < 2:
        return list(items[:count])
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def fingerprint(directory: Path) -> int:
    """The fingerprint of a tree as it is: names, inodes, sizes and times."""
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
