"""`make crash`: run the crash matrix and print how many points it has and how many of them did not hold."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.crash import matrix, scenarios
from tests.crash.case import Case, Fault, Layer

_BAR_CHARS = 24


class Progress:
    """Progress of the matrix: a line on a terminal that is drawn anew; nothing elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._begun = time.monotonic()

    def draw(self, cases: list[Case], what: str, done: int = 0) -> None:
        """Draw the line for the cases that are done."""
        self._done += done
        if not sys.stdout.isatty():
            return
        bar = "#" * (self._done * _BAR_CHARS // self._total)
        violations = sum(bool(case.violation) for case in cases)
        seconds = time.monotonic() - self._begun
        text = f"{seconds:5.0f} s [{bar:<{_BAR_CHARS}}] {len(cases)} points, {violations} violations  {what}"
        print(f"\r\033[K{text[: os.get_terminal_size().columns - 1]}", end="", flush=True)


def main() -> int:
    """Run what the options ask for; exit status 1 if anything did not hold or too little was run."""
    options = _parser().parse_args()
    if options.point:
        cases = list(
            matrix.one(options.layer or _layer_of(options.fault), options.scenario, options.fault, options.point)
        )
        for case in cases:
            print(case.violation or "holds")
        return int(not cases or any(case.violation for case in cases))
    wanted = [
        job for job in matrix.jobs() if options.layer in (None, job.layer) and options.scenario in (None, job.scenario)
    ]
    with_real = options.layer in (None, Layer.REAL) and options.scenario is None
    cases = _run(wanted, with_real)
    print(f"\r\033[K{matrix.summary(cases)}" if sys.stdout.isatty() else matrix.summary(cases))
    everything = options.layer is None and options.scenario is None
    if everything and (missing := matrix.shortfall(cases)):
        print(f"too few: {missing}")
        return 1
    return int(any(case.violation for case in cases))


def _run(wanted: list[matrix.Job], with_real: bool) -> list[Case]:
    cases: list[Case] = []
    progress = Progress(len(wanted) + with_real)

    def add(case: Case) -> None:
        cases.append(case)
        if case.violation:
            print(f"\r\033[K{case.scenario} {case.fault} at {case.point}: {case.violation}")
            print(f"    again: {case.reproduce}")

    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("fork")) as pool:
        pending = {pool.submit(_collected, job): job for job in wanted}
        for future in as_completed(pending):
            for case in future.result():
                add(case)
            progress.draw(cases, f"{pending[future].layer} {pending[future].scenario}", done=1)
    if with_real:
        from tests.crash.real import sweep as real

        def report(case: Case) -> None:
            add(case)
            progress.draw(cases, f"real {case.scenario}")

        real.run(report)
    return cases


def _collected(job: matrix.Job) -> list[Case]:
    cases: list[Case] = []
    job.run(cases.append)
    return cases


def _layer_of(fault: Fault) -> Layer:
    return Layer.SYSTEM_CALLS if fault is Fault.POWER_CUT else Layer.SIM


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--layer", type=Layer, choices=list(Layer), help="only this layer")
    names = [scenario.name for scenario in scenarios.SCENARIOS]
    parser.add_argument("--scenario", choices=names, metavar="NAME", help=f"only this one: {', '.join(names)}")
    parser.add_argument("--fault", type=Fault, choices=list(Fault), help="with --point: the fault")
    parser.add_argument("--point", help="run this one point again, as a violation names it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
