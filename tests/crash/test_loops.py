"""Crashes without end, and calls that never answer: both end, in a safe state, and are reported."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from ota_py.contract.transactions import OUTCOMES
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from ota_py.gateway.system import failpoints
from tests.crash import child, faults, scenarios, sweep
from tests.crash.case import Fault
from tests.crash.faults import Place
from tests.crash.sim.clock import SimClock
from tests.crash.sim.gateway import FETCH_MINUTES, SimGateway
from tests.crash.sim.release import TIMEOUT_MINUTES
from tests.crash.sweep import Bench

# On a busy machine the longest take minutes.
pytestmark = pytest.mark.timeout(900)

CRASHES = 12
# What cannot write its last word has none.
LAST_WORDS = tuple(f"journal.advance.{state}." for state in ("FAILED", "COMMITTED", "BROKEN"))


def crash_again_and_again(bench: Bench, point: str) -> int:
    """Recover until the transaction has ended, killed each time at the failpoint; returns how often."""

    def recover() -> None:
        bench.gateway.install()
        faults.install(bench.gateway.docker, Place(point, 1), Fault.KILLED_AFTER)
        bench.gateway.recover()

    for crashes in range(CRASHES):
        if child.run(recover).status != child.KILLED or not is_open(bench):
            return crashes
    return CRASHES


def is_open(bench: Bench) -> bool:
    with Journal(bench.gateway.config) as journal:
        return journal.open_transaction() is not None


@pytest.mark.case("F04")
@pytest.mark.parametrize("name", ["recovery-backed-up", "recovery-started", "recovery-healthy"])
def test_recovery_that_crashes_each_time_comes_to_an_end(name: str) -> None:
    with sweep.bench(scenarios.named(name)) as bench:
        names = list(dict.fromkeys(reached.place.name for reached in bench.record()))
        # Before the first try is written down nothing can be counted.
        counted = names[names.index("journal.attempt.after") + 1 :]
        counted = [point for point in counted if point.endswith(".before") or "half-way" in point]
        counted = [point for point in counted if not point.startswith(LAST_WORDS)]
        assert len(counted) >= 5
        for point in sweep.spread(counted, 12):
            bench.reset()
            crashes = crash_again_and_again(bench, point)
            assert crashes < CRASHES, f"killed at {point}: no end after {crashes} recoveries"
            with Journal(bench.gateway.config) as journal:
                last = journal.last_transaction()
                assert last is not None
                reports = Outbox(journal).pending(transaction=last.id)
            assert last.state in OUTCOMES, f"killed at {point}: {last.state}"
            final = [report for report in reports if report["state"] in OUTCOMES]
            assert len(final) == 1, f"killed at {point}"
            if last.state == "BROKEN":
                assert final[0]["kind"] == "alarm", f"killed at {point}"


@pytest.mark.case("F36")
def test_broken_leaves_services_running_as_well_as_they_can() -> None:
    with sweep.bench(scenarios.named("recovery-started")) as bench:
        bench.reset()
        assert crash_again_and_again(bench, "process.tar.before") < CRASHES

        def look() -> list[str]:
            bench.gateway.install()
            containers = bench.gateway.docker.read()["containers"].values()
            return sorted(c["service"] for c in containers if c["service"] and c["status"] == "running")

        running = child.run(look).answer
        with Journal(bench.gateway.config) as journal:
            assert journal.is_broken()
    assert {"broker", "store", "cache", "database"} <= set(running)


@pytest.mark.case("F09")
@pytest.mark.parametrize("name", ["unhealthy", "rollback"])
def test_an_engine_that_restarts_while_the_way_back_waits_for_health_costs_one_try(name: str) -> None:
    with sweep.bench(scenarios.named(name)) as bench:
        looks = [
            reached.place
            for reached in bench.record()
            if reached.phase == "journal.part.rollback.services.end.after"
            and reached.place.name == "docker.containers.before"
        ]
        waiting = looks[:-1]  # the last look is for the report: what dies by then the agent revives
        assert waiting
        for place in sweep.spread(waiting, 4):
            bench.reset()
            ended = child.run(lambda place=place: restart_engine_at(bench, place))
            assert ended.answer is True, ended.problem or f"{place} was not reached"
            assert bench.judge(("old",), reboot=False) == "", place


def restart_engine_at(bench: Bench, place: Place) -> bool:
    """Act; at the place Docker restarts. Returns whether the place was reached."""
    bench.gateway.install()
    seen: Counter[str] = Counter()

    def note(name: str) -> None:
        seen[name] += 1
        if name == place.name and seen[name] == place.number:
            bench.gateway.docker.restart_engine()

    failpoints.install(note)
    scenarios.act(bench.scenario, bench.gateway)
    return seen[place.name] >= place.number


def elapsed(bench: Bench, place: Place) -> tuple[float, float]:
    """Simulated seconds until the first touch, and from it until all is decided, with a call that hangs."""

    def act() -> dict[str, float]:
        bench.gateway.install()
        seen: dict[str, float] = {"begin": bench.clock.get()[0]}
        strike = faults.Strike(bench.gateway.docker, place, Fault.HANG)

        def note(name: str) -> None:
            if name.endswith(".after"):
                seen.setdefault(name, bench.clock.get()[0])
            strike(name)

        failpoints.install(note)
        scenarios.act(bench.scenario, bench.gateway)
        seen["end"] = bench.clock.get()[0]
        return seen

    bench.reset()
    ended = child.run(act)
    assert not ended.problem, f"{place}: {ended.problem}"
    seen = ended.answer
    decided = [seen.get(f"journal.advance.{state}.after") for state in ("ROLLING_BACK", "COMMITTED", "FAILED")]
    moment = min(at for at in decided if at is not None)
    touched = seen.get("journal.intend.STOPPED.after", moment)
    return touched - seen["begin"], moment - touched


@pytest.mark.case("F05")
def test_a_call_that_hangs_is_cut_off_by_its_limit_and_the_deadline_holds() -> None:
    with sweep.bench(scenarios.named("update")) as bench:
        for place in sweep.choose(bench.record(), Fault.HANG, 30):
            fetching, touching = elapsed(bench, place)
            # The call under way when the time is up has a limit of its own; no more than that comes on top.
            assert fetching < FETCH_MINUTES * 60 + 600, place
            assert touching < TIMEOUT_MINUTES * 60 + 300, place


@pytest.mark.case("F05")
def test_time_before_a_reboot_counts() -> None:
    """A clock that was stored is not set back by another boot."""
    clock = SimClock()

    def act() -> list[float]:
        from ota_py.gateway.system.clock import Clock

        clock.set(5000.0, 1.0, 0.0)
        clock.install()
        stored = Clock.started(600.0)
        clock.sleep(400.0)
        stored = stored.stored()
        clock.reboot(off_seconds=100000.0)
        after = stored.left()
        clock.sleep(250.0)
        return [after, stored.left()]

    after, later = child.run(act).answer
    assert after == pytest.approx(200.0, abs=1.0), "the time without power does not count, what was spent does"
    assert later < 0


def test_a_call_without_a_limit_is_found() -> None:
    """The simulation itself: what hangs and has no limit is a violation, and not an endless test."""
    scenario = dataclasses.replace(scenarios.named("update"), act=_pings_without_a_limit)
    with sweep.bench(scenarios.named("update")) as bench:
        bench.scenario = scenario
        problem = bench.strike(Place("docker.ping.before", 1), Fault.HANG)
    assert "UnlimitedCall: docker.ping has no time limit" in problem


def _pings_without_a_limit(gateway: SimGateway) -> None:
    from ota_py.gateway.docker import images

    images.connect(None).ping()  # type: ignore[arg-type]
