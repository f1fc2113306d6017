"""The driver on a lab gateway: brings the engine into trouble there, lets it recover, and judges the result.

Started, by way of trials.py, with the gateway's own Python. Reads one job on each line of standard
input and answers each with one line, both JSON:

    {"do": "prepare", "scenarios": [SCENARIO, ...]}          {"traces": {SCENARIO: [POINT, ...]}}
    {"do": "case", "scenario", "point", "nth", "fault"}      {"violation": "..."}
    {"do": "kill", "version", "seconds", "fault"}            {"violation": "...", "ended", "version"}

The engine is imported once; each try is a child of this process, so that a kill costs nothing.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faults
from judge import Gateway
from snapshot import ViolationError, wait_for_daemon

from ota_py.gateway.config import model
from ota_py.gateway.docker import images
from ota_py.gateway.docker.daemon_restarts import DaemonWatch
from ota_py.gateway.fetch.sources import UpdateSource, from_repository, trust_client
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.system import failpoints, signals
from ota_py.gateway.transaction.engine import Engine

HERE = Path(__file__).resolve().parent
OLD, GOOD, BAD, LARGE = "1.0.0", "2.0.0", "2.1.0", "3.0.0"
CHILD_SECONDS = 300
KILLED = -signal.SIGKILL
# Where recovery finds the gateway: the new version's containers are there, and nobody judged them yet.
INTERRUPTED_AT = "journal.advance.STARTED.after"
# How long a call to an engine that hangs may take.
CALL_SECONDS = 2.0

Act = Callable[[Engine], dict[str, Any]]


def answer_jobs(driver: Driver) -> None:
    """Run the jobs of standard input, until it ends."""
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = getattr(driver, job.pop("do"))(**job)
        except ViolationError as violation:
            answer = {"violation": str(violation)}
        except Exception:  # noqa: BLE001 - the next case must not suffer from this one
            answer = {"violation": f"the driver failed: {traceback.format_exc(limit=-3)}"}
        print(json.dumps(answer), flush=True)


class Driver:
    """The gateway under test, and the jobs that can be run on it."""

    def __init__(self) -> None:
        self.settings = model.load(HERE / "gateway.toml")
        self.gateway = Gateway(self.settings)
        with Journal(self.settings) as journal:
            trust = trust_client(self.settings, journal)
            self.sources = {v: self._read_ahead(from_repository(trust, v)) for v in (GOOD, BAD, LARGE)}
        self.scenarios: dict[str, tuple[str, Act]] = {
            "good-update": (OLD, lambda engine: self._update(engine, GOOD)),
            "unhealthy-update": (OLD, lambda engine: self._update(engine, BAD)),
            "recovery": (OLD, lambda engine: engine.recover()),
            "large-update": (OLD, lambda engine: self._update(engine, LARGE)),
            "operators-rollback": (GOOD, lambda engine: engine.rollback()),
        }

    # -- jobs -----------------------------------------------------------------------------------------

    def prepare(self, scenarios: list[str]) -> dict[str, Any]:
        """Record snapshots of the old and the new version, and the failpoints that these scenarios pass."""
        self.gateway.learn(OLD)
        self.bring_to(GOOD)
        self.gateway.learn(GOOD)
        traces = {}
        for name in scenarios:
            start, act = self.scenarios[name]
            self.bring_to(start)
            if name == "recovery":
                self._interrupt()
            (HERE / "trace").unlink(missing_ok=True)
            self.child(act, faults.record)
            traces[name] = (HERE / "trace").read_text().split()
        self.bring_to(OLD)
        return {"traces": traces, "violation": ""}

    def case(self, scenario: str, point: str, nth: int, fault: str) -> dict[str, Any]:
        """Run one case of the crash matrix."""
        start, act = self.scenarios[scenario]
        self.bring_to(start)
        self.gateway.wait_until_well()
        self.gateway.write_row()
        if scenario == "recovery":
            self._interrupt()
        before = self.gateway.snapshot()
        watch = DaemonWatch()
        effect = {"error": faults.kill_engine, "hang": faults.hang_engine}.get(fault, faults.kill_self)
        # A hang is to outlast the calls, which otherwise may take a minute.
        call_seconds = CALL_SECONDS if effect is faults.hang_engine else None
        ended = self.child(act, faults.at(point, nth, effect), call_seconds)
        if effect is faults.kill_self and ended != KILLED:
            return {"violation": f"{point} was reached fewer than {nth} times", "missed": True}
        if effect is faults.kill_engine:
            self.wait_for_restart(watch)
        self.recover()
        self.gateway.judge(before, {OLD, GOOD}, digests_may_be_unknown=effect is not faults.kill_self)
        return {"violation": ""}

    def kill(self, version: str, seconds: float, fault: str) -> dict[str, Any]:
        """Run a round of the soak beside the agent: an update, or from that version a rollback; then trouble."""
        if self.gateway.installed() == version == GOOD:
            act = self.scenarios["operators-rollback"][1]
        else:
            act = self.scenarios["good-update" if version == GOOD else "unhealthy-update"][1]
        self.gateway.wait_until_well()
        self.gateway.write_row()
        before, watch = self.gateway.snapshot(), DaemonWatch()
        child = self.fork(act, None)
        ended = wait(child, seconds)
        if ended is None and fault == "killed":
            os.kill(child, signal.SIGKILL)
        elif fault == "agent-killed":
            subprocess.run(["pkill", "-KILL", "-f", "^[^ ]*python.* run --config"], check=False)
        elif fault == "engine-killed":
            faults.kill_engine()
        elif fault == "engine-hung":
            faults.hang_engine()
        ended = wait(child, CHILD_SECONDS) if ended is None else ended
        if ended is None:
            os.kill(child, signal.SIGKILL)
            raise ViolationError(f"the engine did not end within {CHILD_SECONDS} s")
        if fault == "engine-killed":
            self.wait_for_restart(watch)
        self.gateway.wait_until_idle()
        self.recover()
        self.gateway.judge(before, {OLD, GOOD}, digests_may_be_unknown=fault.startswith("engine"))
        return {"violation": "", "ended": self.gateway.last_state(), "version": self.gateway.installed()}

    # -- parts ----------------------------------------------------------------------------------------

    def _update(self, engine: Engine, version: str) -> dict[str, Any]:
        source = self.sources[version]
        return engine.update(source.verified, source.fetch, force=True)

    def _read_ahead(self, source: UpdateSource) -> UpdateSource:
        """The update with its files read ahead: children share nothing with a client of the repository."""
        contents = {file.dest: source.fetch(file) for file in source.verified.manifest.all_files}
        return dataclasses.replace(source, fetch=lambda file: contents[file.dest])

    def bring_to(self, version: str) -> None:
        """Bring the gateway, undisturbed, to where a scenario starts."""
        if self.gateway.installed() == version:
            return
        act = self.scenarios["operators-rollback" if version == OLD else "good-update"][1]
        if version != OLD:
            self.gateway.went_forward(self.gateway.snapshot())
        ended = self.child(act, None)
        if self.gateway.installed() != version:
            raise ViolationError(f"could not be brought to {version}: status {ended}, {self.gateway.last_reason()}")

    def _interrupt(self) -> None:
        act = self.scenarios["good-update"][1]
        if self.child(act, faults.at(INTERRUPTED_AT, 1, faults.kill_self)) != KILLED:
            raise ViolationError(f"{INTERRUPTED_AT} was not reached")

    def recover(self) -> None:
        """Recover as the agent does: again, where another process holds the lock or Docker is away."""
        deadline = time.monotonic() + CHILD_SECONDS
        while True:
            status = self.child(lambda engine: engine.recover(), None)
            if status == 0 and self.gateway.is_idle():
                return
            if time.monotonic() > deadline:
                raise ViolationError(f"recovery did not come to an end, status {status}; see {HERE}/log")
            time.sleep(0.5)

    def expect(self, state: str) -> None:
        if self.gateway.last_state() != state:
            found = f"{self.gateway.last_state()}: {self.gateway.last_reason()}"
            raise ViolationError(f"it ended in {found}, expected {state}")

    def wait_for_restart(self, watch: DaemonWatch) -> None:
        """Wait until Docker was restarted: the agent recovers only once it has noticed that."""
        deadline = time.monotonic() + CHILD_SECONDS
        while not watch.restarted():
            if time.monotonic() > deadline:
                raise ViolationError("the gateway's init did not start the Docker engine again")
            time.sleep(0.1)
        wait_for_daemon()

    def child(self, act: Act, handler: failpoints.Handler | None, call_seconds: float | None = None) -> int:
        child = self.fork(act, handler, call_seconds)
        status = wait(child, CHILD_SECONDS)
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise ViolationError(f"the engine did not end within {CHILD_SECONDS} s; see {HERE}/log")
        return status

    def fork(self, act: Act, handler: failpoints.Handler | None, call_seconds: float | None = None) -> int:
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            log = os.open(HERE / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            signals.listen()
            failpoints.install(handler)
            if call_seconds is not None:
                images.connect.__defaults__ = (call_seconds,)
            with Journal(self.settings) as journal:
                result = act(Engine(self.settings, journal))
                print(json.dumps({key: result[key] for key in ("outcome", "version", "reason")}), flush=True)
            status = 0
        except BaseException as error:  # noqa: BLE001 - a child must never return into the parent's code
            print(f"{type(error).__name__}: {error}", flush=True)
        finally:
            os._exit(status)


def wait(child: int, seconds: float) -> int | None:
    """The exit status of a child, negative for a signal; None if it has not ended by then."""
    deadline = time.monotonic() + seconds
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)
