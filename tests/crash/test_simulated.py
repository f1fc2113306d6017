"""The crash matrix on the simulated gateway: every kind of fault at the points that the program finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.crash import sweep
from tests.crash.case import Case, Fault, Report
from tests.crash.scenarios import SCENARIOS, Scenario
from tests.crash.sweep import Bench, Reached

# On a busy machine the longest take minutes.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", params=SCENARIOS, ids=lambda scenario: scenario.name)
def recorded(request: pytest.FixtureRequest) -> Iterator[tuple[Bench, list[Reached]]]:
    """A bench for one scenario, and the points that it reaches."""
    scenario: Scenario = request.param
    with sweep.bench(scenario) as bench:
        yield bench, bench.record()


@pytest.mark.case("F01", "F03", "F05", "F06", "F08", "F10")
@pytest.mark.parametrize("fault", sweep.FAULTS, ids=str)
def test_entirely_old_or_entirely_new(
    recorded: tuple[Bench, list[Reached]], fault: Fault, swept: Callable[[Callable[[Report], None]], None]
) -> None:
    bench, reached = recorded

    def part(report: Callable[[Case], None]) -> None:
        for place in sweep.choose(reached, fault, bench.scenario.share):
            report(sweep.judged(bench, place, fault))

    swept(part)


def test_every_state_is_on_the_way(recorded: tuple[Bench, list[Reached]]) -> None:
    """The two long scenarios pass every state; a state that no scenario passes would not be swept."""
    bench, reached = recorded
    if bench.scenario.name not in ("update", "unhealthy"):
        return
    states = {p.phase.split(".")[2] for p in reached if p.phase.startswith("journal.advance.")}
    common = {"VERIFIED", "BACKED_UP", "PULLED", "STOPPED", "APPLIED", "STARTED"}
    ends = {"update": {"HEALTHY", "COMMITTED"}, "unhealthy": {"ROLLING_BACK", "ROLLED_BACK"}}
    assert states == common | ends[bench.scenario.name]
