"""An upgrade of this software ends well, whatever happens at whichever failpoint of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ota_py.gateway.journal.upgrades import Stage, Upgrade
from ota_py.gateway.selfupdate.installation import Installation
from ota_py.gateway.selfupdate.supervisor import Supervisor
from ota_py.gateway.system import files
from tests.crash.case import Fault
from tests.support.selfupdate import sweep
from tests.support.selfupdate.sim_programs import EXITS, GOOD, HANGS
from tests.support.selfupdate.sweep import Bench

# On a busy machine the longest take minutes.
pytestmark = pytest.mark.timeout(900)

ALL = 1000
# How many points of each kind of fault are run, for each kind of build.
SHARES = {
    GOOD: {
        Fault.KILLED_BEFORE: ALL,
        Fault.KILLED_AFTER: ALL,
        Fault.ERROR: 10,
        Fault.NO_SPACE: 7,
        Fault.HANG: 2,
        Fault.POWER_CUT: 20,
    },
    HANGS: {Fault.KILLED_BEFORE: ALL, Fault.KILLED_AFTER: ALL, Fault.ERROR: 5, Fault.POWER_CUT: 8},
    EXITS: {Fault.KILLED_BEFORE: 5, Fault.KILLED_AFTER: 5},
}
ROWS = {Fault.POWER_CUT: "F02", Fault.ERROR: "F10", Fault.NO_SPACE: "F10", Fault.HANG: "F05"}


@pytest.fixture(scope="module")
def at(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with sweep.bench(request.param) as bench:
        yield bench


def run(bench: Bench, fault: Fault, share: int) -> Iterator[tuple[str, str]]:
    """The points that were run, each with what did not hold."""
    if fault is Fault.POWER_CUT:
        yield from bench.cuts(share)
        return
    for place in bench.choose(fault, share):
        yield str(place), bench.strike(place, fault)
        if fault is Fault.NO_SPACE:
            yield f"{place}, once", bench.strike(place, fault, once=True)


@pytest.mark.parametrize(
    ("at", "fault", "share"),
    [
        pytest.param(kind, fault, share, marks=pytest.mark.case("F35", ROWS.get(fault, "F01")), id=f"{kind}-{fault}")
        for kind, shares in SHARES.items()
        for fault, share in shares.items()
    ],
    indirect=["at"],
    scope="module",
)
def test_one_whole_build_is_in_use_and_its_agent_up(at: Bench, fault: Fault, share: int) -> None:
    ran = dict(run(at, fault, share))
    assert len(ran) >= min(share, 3), "hardly anything was run"
    assert not {point: problem for point, problem in ran.items() if problem}


# -- the test of the test -----------------------------------------------------------------------------


def skips_the_sync_of_a_new_build(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(files, "sync_all", lambda: None)


def switches_before_the_trial_begins(patch: pytest.MonkeyPatch) -> None:
    begin, switch = Installation.begin_trial, Installation.switch
    late: list[Callable[[], None]] = []
    patch.setattr(Installation, "begin_trial", lambda *given: late.append(lambda: begin(*given)))

    def switch_first(self: Installation, name: str) -> None:
        switch(self, name)
        while late:
            late.pop()()

    patch.setattr(Installation, "switch", switch_first)


def ends_the_trial_before_the_old_agent_is_back(patch: pytest.MonkeyPatch) -> None:
    def give_back(self: Supervisor, upgrade: Upgrade) -> None:
        self._installation.switch(upgrade.from_name)
        self._installation.end_trial()
        self._restarted = False
        self._restart_once()
        self._end(upgrade, Stage.RETURNED)

    patch.setattr(Supervisor, "_return", give_back)


def removes_the_old_build_when_it_switches(patch: pytest.MonkeyPatch) -> None:
    switch = Installation.switch

    def switch_and_remove(self: Installation, name: str) -> None:
        before = self.current
        switch(self, name)
        if before and before != name:
            self.remove(before)

    patch.setattr(Installation, "switch", switch_and_remove)


def does_not_wait_for_space(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("ota_py.gateway.selfupdate.supervisor._PASSING", ())


@pytest.mark.case("F35")
@pytest.mark.parametrize(
    ("defect", "kind", "fault"),
    [
        (skips_the_sync_of_a_new_build, GOOD, Fault.POWER_CUT),
        (switches_before_the_trial_begins, GOOD, Fault.KILLED_BEFORE),
        (ends_the_trial_before_the_old_agent_is_back, HANGS, Fault.KILLED_BEFORE),
        (removes_the_old_build_when_it_switches, GOOD, Fault.KILLED_AFTER),
        (does_not_wait_for_space, GOOD, Fault.NO_SPACE),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_the_sweep_finds(
    defect: Callable[[pytest.MonkeyPatch], None], kind: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sweep.bench(kind) as bench:
        places = [] if fault is Fault.POWER_CUT else bench.choose(fault, ALL)
        defect(monkeypatch)
        once = fault is Fault.NO_SPACE
        struck = ((str(place), bench.strike(place, fault, once=once)) for place in places[::-1])
        ran = struck if places else bench.cuts(20)
        found = next((f"{point}: {problem}" for point, problem in ran if problem), "")
    assert found, f"software that {defect.__name__} is not noticed"
    print(found)
