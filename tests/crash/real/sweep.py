"""The part of the crash matrix that runs with real Docker daemons: the lab's gateways, all at the same time.

Each gateway gets a small Compose project, a repository of its own, this checkout's engine, and
on_gateway/driver.py, which does one case after the other. A gateway that is done with one takes the next.
"""

from __future__ import annotations

import argparse
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from lab import fleet, state
from lab.config import LabConfig
from tests.crash.case import Case, Fault, Layer, Report
from tests.crash.real.gateway import RealGateway
from tests.crash.real.release import Release

# How many points of each scenario are run: killed, and with the Docker engine killed or hung.
KILLS = {"good-update": 64, "operators-rollback": 17, "unhealthy-update": 42, "recovery": 18}
# An engine that dies or hangs costs ten seconds: once in each state.
DOCKER_FAULTS = ("VERIFIED", "BACKED_UP", "PULLED", "STOPPED", "APPLIED", "STARTED", "HEALTHY", "COMMITTED")
# A failpoint around a query is left to the fast layers; here it would be one more of the same.
_LOOKS = ("inspect", "containers.", "images.", "version", "info", "ping", "logs", "events", "get_image")

Job = dict[str, object]


def run(report: Report) -> None:
    """Bring the lab up where it is not, run every case, and report each."""
    config = LabConfig.from_environment()
    was_up = bool(state.load(config))
    fleet.up(config, None)
    try:
        sweep(config, report)
    finally:
        if not was_up:
            fleet.down(config, everything=False)


def sweep(config: LabConfig, report: Report) -> None:
    """Run every case on the gateways of a lab that is up."""
    gateways = Fleet(config)
    try:
        gateways.prepare()
        gateways.work_off(jobs(gateways.traces), report)
    finally:
        gateways.remove()


def one(config: LabConfig, scenario: str, point: str, fault: Fault, report: Report) -> None:
    """Run one case again, as a violation names it, on a lab that is up."""
    name, _, nth = point.partition("#")
    gateways = Fleet(config, state.load_running(config)["gateways"][:1])
    try:
        gateways.prepare(())
        gateways.work_off([_job(scenario, name, int(nth or 1), fault)], report)
    finally:
        gateways.remove()


class Fleet:
    """The gateways of a lab, with the matrix's project in the place of the lab's own.

    Attributes:
        traces: scenario to the failpoints that it passed, once prepared.
    """

    def __init__(self, config: LabConfig, names: Sequence[str] | None = None) -> None:
        release = Release.publish(config)
        chosen = names or state.load_running(config)["gateways"]
        self.gateways = [RealGateway(config, name, release) for name in chosen]
        self.traces: dict[str, list[str]] = {}

    def prepare(self, scenarios: Sequence[str] = tuple(KILLS)) -> None:
        """Set all gateways up; each finds the failpoints of some scenarios, for all."""
        shares = [scenarios[position :: len(self.gateways)] for position in range(len(self.gateways))]
        found = _together([partial(g.prepare, s) for g, s in zip(self.gateways, shares, strict=True)])
        self.traces = {name: points for share in found for name, points in share.items()}

    def work_off(self, wanted: Iterable[Job], report: Report) -> None:
        """Run cases, each on the next gateway that has nothing to do."""
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in wanted:
            waiting.put(job)
        lock = threading.Lock()

        def work(gateway: RealGateway) -> None:
            while True:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                case = _case(job, gateway)
                with lock:
                    report(case)

        _together([partial(work, gateway) for gateway in self.gateways])

    def remove(self) -> None:
        """Leave the lab as it was."""
        _together([gateway.remove for gateway in self.gateways])
        _together([gateway.restart_services for gateway in self.gateways])


def jobs(traces: dict[str, list[str]]) -> list[Job]:
    """The cases, from the failpoints that each scenario passed."""
    found: list[Job] = []
    for scenario, names in traces.items():
        for name, nth in choose(names, KILLS[scenario]):
            fault = Fault.KILLED_BEFORE if name.endswith(".before") else Fault.KILLED_AFTER
            found.append(_job(scenario, name, nth, fault))
    for number, step in enumerate(DOCKER_FAULTS):
        scenario = "unhealthy-update" if step == "HEALTHY" else "good-update"
        fault = Fault.HANG if number % 2 else Fault.ERROR
        found.append(_job(scenario, f"journal.intend.{step}.after", 1, fault))
    # In the middle of the rollback, between two commands in the database's container.
    found.append(_job("operators-rollback", "process.docker.before", 2, Fault.ERROR))
    return found


def choose(names: Sequence[str], count: int) -> list[tuple[str, int]]:
    """Failpoints spread over the whole run, as (name, which time): each name once before any comes twice."""
    occurrences: dict[str, int] = {}
    first, again = [], []
    for position, name in enumerate(names):
        occurrences[name] = occurrences.get(name, 0) + 1
        if not name.startswith("docker.") or not name.partition(".")[2].startswith(_LOOKS):
            (first if occurrences[name] == 1 else again).append((position, name, occurrences[name]))
    chosen = _spread(first, count)
    chosen += _spread(again, count - len(chosen))
    return [(name, nth) for _, name, nth in sorted(chosen)]


def _spread(points: list[tuple[int, str, int]], count: int) -> list[tuple[int, str, int]]:
    if len(points) <= count:
        return points
    return [points[index * len(points) // count] for index in range(count)]


def _job(scenario: str, point: str, nth: int, fault: Fault) -> Job:
    return {"do": "case", "scenario": scenario, "point": point, "nth": nth, "fault": str(fault)}


def _case(job: Job, gateway: RealGateway) -> Case:
    scenario, point = str(job["scenario"]), f"{job['point']}#{job['nth']}"
    answer = gateway.ask(job)
    again = f"python -m tests.crash.real --scenario {scenario} --fault {job['fault']} --point {point}"
    violation = str(answer["violation"])
    if violation:
        violation = f"{gateway.name}: {violation}"
    return Case(scenario, point, Fault(str(job["fault"])), Layer.REAL, violation, again if violation else "")


def _together(actions: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run functions at the same time; their results in order. Raises what the first of them raised."""
    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result() for future in [pool.submit(action) for action in actions]]


def main() -> int:
    """Run one case again, on a lab that is up; exit status 1 if it does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.real", description=__doc__)
    parser.add_argument("--scenario", choices=list(KILLS), required=True)
    parser.add_argument("--fault", type=Fault, required=True)
    parser.add_argument("--point", required=True, help="as a violation names it, such as file.rename.after#3")
    options = parser.parse_args()
    cases: list[Case] = []
    one(LabConfig.from_environment(), options.scenario, options.point, options.fault, cases.append)
    for case in cases:
        print(case.violation or "holds")
    return int(any(case.violation for case in cases))
