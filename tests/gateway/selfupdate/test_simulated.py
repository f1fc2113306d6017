"""The supervisor's decisions, in simulated time; the launcher and the journal are the real ones."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ota_py.errors import OtaError
from ota_py.gateway.journal.upgrades import Upgrade, Upgrades
from ota_py.gateway.selfupdate.supervisor import ATTEMPTS_LIMIT
from ota_py.gateway.system import failpoints, free_space, process
from tests.crash import child
from tests.crash.sim.clock import SimClock
from tests.support.selfupdate.sim import NEW, OLD, OLDEST, SimBox
from tests.support.selfupdate.sim_programs import GOOD, HANGS, SLOW, UNFIT

pytestmark = pytest.mark.case("F35")

OTHER = "0.9.0-sim"


class Gateway:
    """A simulated gateway, each act on which is a process of its own."""

    def __init__(self, box: SimBox) -> None:
        self.box = box
        self.do(box.build)

    def do(self, act: Callable[[], Any], kill: str = "", *, settle: bool = False) -> Any:
        """Run an act of it.

        Args:
            kill: the point at which it is killed.
            settle: let the agent do its part afterwards.
        """

        def simulated() -> Any:
            self.box.install()
            if kill:
                failpoints.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == kill else None)
            answer = act()
            return answer, self.box.settle() if settle else ""

        ended = child.run(simulated)
        assert not ended.problem, ended.problem
        assert ended.status == (child.KILLED if kill else 0), f"{kill} was not reached"
        if kill:
            return None
        answer, unsettled = ended.answer
        assert not unsettled, unsettled
        return answer

    def supervise(self, kill: str = "") -> None:
        """The supervisor, started once."""
        self.do(lambda: self.box._supervise(OLD), kill)

    def ended(self, state: str, build: str) -> Upgrade:
        """Let the gateway come to rest, and check how the upgrade ended, the build in use and its agent."""
        self.do(lambda: None, settle=True)
        last = self.box.last()
        assert last is not None
        assert (last.state, self.box.installation.current, self.box.running) == (state, build, build)
        assert not self.box.damage(build)
        assert not list(self.box.ota.glob("trial*"))
        assert len([a for a in self.box.alarms() if "for now" not in a]) == (state in ("RETURNED", "FAILED"))
        return last


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Gateway]:
    return lambda kind=GOOD: Gateway(SimBox(tmp_path, SimClock(), kind))


def test_builds_that_nobody_needs_any_more_are_removed(make) -> None:
    gateway = make(GOOD)
    gateway.do(gateway.box.offer)
    assert gateway.ended("PROVED", NEW).reason == ""
    assert {path.name for path in (gateway.box.ota / "venvs").iterdir()} == {OLD, NEW}
    assert OLDEST not in os.listdir(gateway.box.ota / "venvs")


def test_a_slow_gateway_is_given_the_time_that_it_takes(make) -> None:
    """Its new agent needs 100 s, and `trial_seconds` is 60; so long took the build's check of itself, too."""
    gateway = make(SLOW)

    def offer() -> float:
        gateway.box.offer()
        return gateway.box.clock.get()[0]

    begun = gateway.box.clock.get()[0]
    assert gateway.do(offer) - begun > 2 * 100
    last = gateway.box.last()
    assert (last.state, last.attempts, gateway.box.installation.current) == ("PROVED", 1, NEW)


def test_a_build_that_is_not_fit_is_never_switched_to(make) -> None:
    gateway = make(UNFIT)
    gateway.do(gateway.box.offer)
    assert "not fit" in gateway.ended("FAILED", OLD).reason
    assert not gateway.box.installation.venv(NEW).exists()
    with gateway.box.journal() as journal:
        assert Upgrades(journal).is_bad(NEW)


def test_short_of_space_it_waits_and_says_so_and_costs_no_attempt(make, monkeypatch) -> None:
    gateway = make(GOOD)
    with monkeypatch.context() as full:
        full.setattr(free_space, "free_bytes", lambda path: 1000)
        gateway.do(gateway.box.offer)
        for _ in range(2 * ATTEMPTS_LIMIT):
            gateway.supervise()
        last = gateway.box.last()
        assert (last.state, last.attempts) == ("FETCHED", 0)
        assert last.reason.startswith(f"the gateway software {NEW} needs ")
        assert gateway.box.alarms() == [f"the gateway software stays at {OLD}: for now, {last.reason}"]
        assert not gateway.box.installation.venv(NEW).exists()
    assert gateway.ended("PROVED", NEW).reason == ""
    assert len(gateway.box.alarms()) == 1
    with gateway.box.journal() as journal:
        assert not Upgrades(journal).is_bad(NEW)


@pytest.mark.parametrize("said", [b"ERROR: [Errno 28] No space left", b"OSError: [Errno 122] Disk quota exceeded"])
def test_a_program_that_finds_no_space_leaves_what_others_need(make, monkeypatch, said: bytes) -> None:
    """pip says so in its own words."""
    gateway = make(GOOD)
    with monkeypatch.context() as full:
        full.setattr(gateway.box.programs, "pip", lambda argv: process.Completed(1, b"", said))
        gateway.do(gateway.box.offer)
    assert (gateway.box.last().state, gateway.box.last().attempts) == ("FETCHED", 0)
    assert not gateway.box.installation.venv(NEW).exists()
    assert not (gateway.box.config.upgrade_dir / "wheels").exists()
    gateway.ended("PROVED", NEW)


def test_a_start_that_could_not_be_counted_says_nothing_about_the_build(make) -> None:
    gateway = make(GOOD)
    blocked = gateway.box.ota / "trial.starts.new"
    blocked.mkdir()
    gateway.do(gateway.box.offer)
    last = gateway.box.last()
    assert (last.state, last.attempts, gateway.box.installation.current) == ("BUILT", 0, OLD)
    assert last.reason == f"no start of {NEW} could be counted"
    blocked.rmdir()
    gateway.ended("PROVED", NEW)


def test_endless_interruptions_end(make) -> None:
    gateway = make(GOOD)
    gateway.do(gateway.box.offer, kill="journal.upgrade.attempt.after")
    for _ in range(ATTEMPTS_LIMIT - 1):
        gateway.supervise(kill="journal.upgrade.attempt.after")
    assert "5 attempts were interrupted" in gateway.ended("FAILED", OLD).reason


def test_endless_interruptions_end_with_the_old_build_where_the_link_was_led_to_the_new(make) -> None:
    gateway = make(GOOD)
    gateway.do(gateway.box.offer, kill="journal.upgrade.SWITCHED.before")
    for _ in range(ATTEMPTS_LIMIT - 1):
        gateway.supervise(kill="journal.upgrade.SWITCHED.before")
    assert gateway.box.installation.current == NEW
    assert "5 attempts were interrupted" in gateway.ended("RETURNED", OLD).reason


def test_killed_again_and_again_when_the_new_agent_has_proved_itself(make) -> None:
    gateway = make(GOOD)
    gateway.do(gateway.box.offer, kill="journal.upgrade.prove.after")
    for point in ("file.remove.after", "journal.upgrade.PROVED.before", "journal.upgrade.PROVED.after"):
        gateway.supervise(kill=point)
    gateway.ended("PROVED", NEW)


def test_killed_again_and_again_on_the_way_back(make) -> None:
    gateway = make(HANGS)
    gateway.do(gateway.box.offer, kill="journal.upgrade.RETURNING.after")
    for point in ("file.link.after", "upgrade.restart.after", "journal.upgrade.RETURNED.before"):
        gateway.supervise(kill=point)
    gateway.ended("RETURNED", OLD)


def test_a_launcher_that_went_back_is_right_even_about_one_that_proved_itself(make) -> None:
    """Power cuts between the proof and the end of the trial: one build is in use, whatever was said."""
    gateway = make(GOOD)
    gateway.do(gateway.box.offer, kill="journal.upgrade.prove.after")
    for _ in range(4):
        gateway.do(lambda: gateway.box._start())
    assert gateway.ended("RETURNED", OLD).reason == "it was started 3 times in vain"


def test_a_power_cut_in_the_trial_of_a_good_version(make) -> None:
    gateway = make(GOOD)
    gateway.do(gateway.box.offer, kill="journal.upgrade.SWITCHED.after")
    assert gateway.do(lambda: gateway.box._launcher("ota-recover")) == OLD, "only what is proved recovers"
    gateway.do(gateway.box.reboot)
    gateway.ended("PROVED", NEW)


def test_with_a_broken_interpreter_and_nobody_else_the_launcher_goes_back(make) -> None:
    gateway = make(GOOD)
    gateway.do(gateway.box.offer, kill="journal.upgrade.SWITCHED.after")
    gateway.box.installation.python(NEW).unlink()
    gateway.do(lambda: gateway.box._start())
    assert gateway.box.running == OLD
    assert "started 1 times in vain" in gateway.ended("RETURNED", OLD).reason


def test_an_agent_that_cannot_be_restarted_ends_it(make, monkeypatch) -> None:
    gateway = make(GOOD)
    gateway.do(gateway.box.offer, kill="journal.upgrade.SWITCHED.after")
    with monkeypatch.context() as broken:
        broken.setattr(gateway.box, "_launch", lambda argv, log=None: SimpleNamespace(poll=lambda: 1))
        for _ in range(ATTEMPTS_LIMIT):
            gateway.supervise()
        assert gateway.ended("RETURNED", OLD).reason == "`restart-agent` exited 1"


def test_where_no_agent_is_resident_the_check_of_the_new_version_is_its_proof(make) -> None:
    gateway = make(GOOD)
    agent = gateway.box.config.agent.model_copy(update={"restart_command": []})
    gateway.box.config = gateway.box.config.model_copy(update={"agent": agent})
    gateway.do(gateway.box.offer)
    assert (gateway.box.last().state, gateway.box.installation.current) == ("PROVED", NEW)


def test_provisioned_meanwhile_the_upgrade_gives_way(make) -> None:
    gateway = make(GOOD)
    gateway.do(gateway.box.offer, kill="journal.upgrade.SWITCHED.after")
    other = gateway.box.installation.venv(OTHER)
    shutil.copytree(gateway.box.installation.venv(OLD), other)
    (other / ".complete").write_text(f"{OTHER}\n")
    gateway.do(lambda: gateway.box.installation.switch(OTHER))  # as the role does
    gateway.do(lambda: gateway.box._start())
    gateway.ended("CANCELLED", OTHER)


def test_half_a_build_is_none(make, monkeypatch) -> None:
    """The process that removes a build may be killed half-way."""
    gateway = make(GOOD)
    with monkeypatch.context() as killed:
        killed.setattr("ota_py.gateway.system.files.remove_tree", lambda path: None)
        gateway.box.installation.remove(OLDEST)
    assert gateway.box.damage(OLDEST) == ".complete"
    assert not gateway.box.installation.is_complete(OLDEST)
    with pytest.raises(OtaError, match=f"the gateway software {OLDEST} is not installed"):
        gateway.box.installation.switch(OLDEST)
