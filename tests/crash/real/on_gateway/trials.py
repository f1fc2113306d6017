"""Faults of the machine around the engine, one by one, on a lab gateway. See driver.py."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import faults
from driver import CHILD_SECONDS, GOOD, KILLED, OLD, Driver, answer_jobs, wait
from snapshot import ViolationError, wait_for_daemon

from ota_py.gateway.docker.daemon_restarts import DaemonWatch

HERE = Path(__file__).resolve().parent
# Of a pull that failed: logs, and what the engine notes.
LEFT_BYTES = 12 << 20
# The agent looks every few seconds, and recovery is a process of its own.
AGENT_SECONDS = 180
RECREATE_TRIES = 20


class Trials(Driver):
    """Jobs beyond the crash matrix."""

    def prune(self, scenario: str, point: str, ended: str) -> dict[str, Any]:
        """A stranger's `docker system prune -a` at a failpoint, with no registry from there on (F15)."""
        start, act = self.scenarios[scenario]
        self.bring_to(start)
        self.gateway.wait_until_well()
        before = self.gateway.snapshot()
        try:
            self.child(act, faults.at(point, 1, faults.prune_offline))
            self.expect(ended)
            self.gateway.judge(before, {OLD, GOOD}, digests_may_be_unknown=False)
            if ended == "COMMITTED":
                faults.prune()
                self.child(self.scenarios["operators-rollback"][1], None)
                self.expect("ROLLED_BACK")
        finally:
            faults.cut_off_registry("-D")
        self.gateway.wait_until_well()
        return {"violation": ""}

    def idle(self) -> dict[str, Any]:
        """The Docker engine is killed on an idle gateway, where a person has stopped a service (F09).

        The agent runs, and is all that acts.
        """
        self.bring_to(OLD)
        self.gateway.wait_until_well()
        subprocess.run(["docker", "stop", "--time", "2", "crash-other-1"], check=True, stdout=2)
        watch = DaemonWatch()
        faults.kill_engine()
        self.wait_for_restart(watch)
        wanted = {"app": "running", "database": "running", "other": "exited"}
        deadline = time.monotonic() + AGENT_SECONDS
        while (after := self.gateway.states()) != wanted and time.monotonic() < deadline:
            time.sleep(0.2)
        subprocess.run(["docker", "start", "crash-other-1"], check=True, stdout=2)
        if after != wanted:
            raise ViolationError(f"{AGENT_SECONDS} s after the engine came back: {after}")
        return {"violation": ""}

    def damage(self, how: str) -> dict[str, Any]:
        """A layer of the new image is damaged after the pull: found before anything stops (F07)."""
        self.bring_to(OLD)
        self.gateway.wait_until_well()
        act = self.scenarios["good-update"][1]
        image = self.sources[GOOD].verified.manifest.images["app"].pinned
        subprocess.run(["docker", "rmi", image], check=False, stdout=2)
        self.gateway.forgive()
        # Killed with the pull just done, or with all of it noted down as synced.
        point = "docker.pull.after" if how == "truncated" else "journal.advance.PULLED.after"
        self.child(act, faults.at(point, 1, faults.kill_self))
        self.recover()
        before = self.gateway.snapshot()
        layer = self.gateway.layer_of(image)
        if how == "truncated":
            os.truncate(layer / "start", 0)
        else:
            shutil.rmtree(layer)
            self.child(act, None)
            self.expect("FAILED")
            if self.gateway.snapshot() != before:
                raise ViolationError(f"something was touched: {self.gateway.snapshot()}, before {before}")
        self.child(act, None)
        self.expect("COMMITTED")
        self.gateway.judge(before, {GOOD}, digests_may_be_unknown=False)
        return {"violation": ""}

    def recreate(self, event: str) -> dict[str, Any]:
        """Killed while Compose replaces a container: the new one is made, or the old one has ended (F08).

        On a busy machine the kill may come too late to show anything; then it is tried again.
        """
        for _ in range(RECREATE_TRIES):
            self.bring_to(OLD)
            self.gateway.wait_until_well()
            before = self.gateway.snapshot()
            with self.gateway.events(event, "app") as events:
                child = self.fork(self.scenarios["good-update"][1], None)
                next(events)
                os.kill(child, signal.SIGKILL)
            status = wait(child, CHILD_SECONDS)
            names = self.gateway.names()
            self.recover()
            self.gateway.judge(before, {OLD}, digests_may_be_unknown=False)
            if status == KILLED and names != ["crash-app-1", "crash-database-1", "crash-other-1"]:
                return {"violation": ""}
        return {"violation": f"status {status}, containers {names}: the kill came too late to show anything"}

    def interrupt(self, scenario: str, point: str) -> dict[str, Any]:
        """Kill a scenario at a failpoint, and leave it so, for a reboot."""
        start, act = self.scenarios[scenario]
        self.bring_to(start)
        self.gateway.wait_until_well()
        (HERE / "before").write_text(self.gateway.remember())
        status = self.child(act, faults.at(point, 1, faults.kill_self))
        return {"violation": "" if status == KILLED else f"{point} was not reached"}

    def judge(self, version: str) -> dict[str, Any]:
        """Judge the gateway after the reboot, and the recovery that came with it."""
        before = self.gateway.recall((HERE / "before").read_text())
        self.gateway.judge(before, {version}, digests_may_be_unknown=False)
        return {"violation": ""}

    def fill(self) -> dict[str, Any]:
        """The disk is full, to the last byte, when the new version fails and the rollback begins (F12)."""
        self.bring_to(OLD)
        self.gateway.wait_until_well()
        before = self.gateway.snapshot()
        try:
            point = "journal.advance.STARTED.after"
            self.child(self.scenarios["good-update"][1], faults.at(point, 1, faults.fill_and_fail))
            self.expect("ROLLED_BACK")
        finally:
            faults.FILLER.unlink(missing_ok=True)
        self.gateway.judge(before, {OLD}, digests_may_be_unknown=False)
        return {"violation": ""}

    def overfill(self) -> dict[str, Any]:
        """The image turns out to be larger than the disk: nothing is touched, nothing of it stays (F11)."""
        self.bring_to(OLD)
        self.gateway.wait_until_well()
        before, free = self.gateway.snapshot(), shutil.disk_usage(HERE).free
        self.child(self.scenarios["large-update"][1], None)
        self.expect("FAILED")
        if "does not fit, unpacked" not in self.gateway.last_reason():
            raise ViolationError(f"it failed for another reason: {self.gateway.last_reason()}")
        if self.gateway.snapshot() != before:
            raise ViolationError("something was touched")
        if (lost := free - shutil.disk_usage(HERE).free) > LEFT_BYTES:
            raise ViolationError(f"{lost} bytes were not given back")
        return {"violation": ""}


if __name__ == "__main__":
    wait_for_daemon()
    answer_jobs(Trials())
