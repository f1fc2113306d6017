"""The crash matrix on the simulated gateway: every kind of fault at the failpoints that the program finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from ota_py.gateway.transaction import hooks
from tests.crash import faults, sweep
from tests.crash.case import Case, Fault, Report
from tests.crash.scenarios import SCENARIOS, Scenario
from tests.crash.sweep import Bench, Reached

# On a busy machine the longest take minutes.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", params=SCENARIOS, ids=lambda scenario: scenario.name)
def recorded(request: pytest.FixtureRequest) -> Iterator[tuple[Bench, list[Reached]]]:
    """A bench for one scenario, and the failpoints that it reaches."""
    scenario: Scenario = request.param
    with sweep.bench(scenario) as bench:
        yield bench, bench.record()


# Without them a scenario would not be what it is called.
MILESTONES = {
    "hooks": [f"process.hook-{point}.after" for point in hooks.POINTS if "rollback" not in point],
    "hooks-unhealthy": ["process.hook-before-rollback.after", "process.hook-after-rollback.after"],
    "not-now": ["process.hook-before-stop.after", "journal.hold.after"],
    "veto": ["journal.hold.after"],
    "fetch": ["journal.floor.after"],
    "bundle": ["docker.pull.half-way"],
    "damaged-backup": ["journal.advance.FAILED.after"],
    "damaged-way-back": ["journal.advance.BROKEN.after"],
}


@pytest.mark.case("F01", "F03", "F05", "F06", "F08", "F10", "F14")
@pytest.mark.parametrize("fault", sweep.FAULTS, ids=str)
def test_entirely_old_or_entirely_new(
    recorded: tuple[Bench, list[Reached]], fault: Fault, swept: Callable[[Callable[[Report], None]], None]
) -> None:
    bench, reached = recorded

    def part(report: Callable[[Case], None]) -> None:
        for place in sweep.places(bench.scenario, reached, fault):
            report(sweep.judged(bench, place, fault))

    swept(part)


def test_each_scenario_is_what_it_is_called(recorded: tuple[Bench, list[Reached]]) -> None:
    bench, reached = recorded
    names = {point.place.name for point in reached}
    assert names.issuperset(MILESTONES.get(bench.scenario.name, ()))
    assert any(re.search(bench.scenario.part, name) for name in names)


def test_every_state_meets_every_kind_of_fault(recorded: tuple[Bench, list[Reached]]) -> None:
    """In the two long scenarios, which pass every state: one that none passes would not be swept."""
    bench, reached = recorded
    if bench.scenario.name not in ("update", "unhealthy"):
        return
    common = {"RECEIVED", "VERIFIED", "BACKED_UP", "PULLED", "STOPPED", "APPLIED", "STARTED"}
    ends = {"update": {"HEALTHY", "COMMITTED"}, "unhealthy": {"ROLLING_BACK", "ROLLED_BACK"}}
    assert {point.state for point in reached} - {""} == common | ends[bench.scenario.name]
    for fault in sweep.FAULTS:
        possible = {point.state for point in reached if faults.possible(fault, point.place.name)}
        chosen = sweep.places(bench.scenario, reached, fault)
        assert {point.state for point in reached if point.place in chosen} == possible, fault
