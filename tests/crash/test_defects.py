"""The test of the test: the engine is broken on purpose, and the sweep must see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash import power, scenarios, sweep
from tests.crash.case import Case, Fault, Layer
from tests.crash.defects import DEFECTS, UNCOUNTED, Defect
from tests.crash.sweep import Bench
from tests.crash.test_loops import CRASHES, crash_again_and_again

# On a busy machine the longest take minutes.
pytestmark = pytest.mark.timeout(900)


def cases(bench: Bench, defect: Defect) -> Iterator[Case]:
    """The cases at the scenario's failpoints that the defect names, one by one."""
    if defect.fault is None:
        _, problem = bench.without_fault()
        yield Case(defect.scenario, "", Fault.ERROR, Layer.SIM, problem)
        return
    if defect.fault is Fault.POWER_CUT:
        calls = power.record(bench)
        cuts = [cut for cut in power.cuts(bench, calls) if cut.place.startswith(defect.failpoints)]
        for cut in sweep.spread(cuts, 40)[::-1]:
            power.lay_out(bench, calls, cut)
            yield power.judged(bench, cut)
        return
    reached = bench.record()
    places = [p.place for p in reached if p.place.name.startswith(defect.failpoints)]
    for place in dict.fromkeys(p for p in places if sweep.faults.possible(defect.fault, p.name)):
        yield sweep.judged(bench, place, defect.fault)


@pytest.mark.case("F01", "F02", "F03", "F08", "F14")
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_the_sweep_finds(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    with sweep.bench(scenarios.named(defect.scenario)) as bench:
        defect.apply(monkeypatch)
        found = next((case for case in cases(bench, defect) if case.violation), None)
    assert found is not None, f"an engine that {defect.name} is not noticed"
    print(f"{defect.name}: {found.fault} at {found.point}: {found.violation}")


@pytest.mark.case("F04")
def test_an_engine_that_does_not_count_its_tries_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with sweep.bench(scenarios.named(UNCOUNTED.scenario)) as bench:
        UNCOUNTED.apply(monkeypatch)
        bench.reset()
        assert crash_again_and_again(bench, "process.tar.before") == CRASHES
