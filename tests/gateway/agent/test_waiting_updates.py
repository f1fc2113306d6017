"""The agent and an update that is held back: it waits without effort, and ends what was begun."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from ota_py.contract.transactions import State
from ota_py.errors import HeldError
from ota_py.gateway.agent.held import COMMAND_SECONDS, ENGINE_SECONDS, HeldUpdateWatch
from ota_py.gateway.config.model import MaintenanceConfig
from ota_py.gateway.controlplane.api import Assignment
from ota_py.gateway.policy import hold
from ota_py.gateway.system.clock import Clock
from tests.support.clocks import TurnedClock
from tests.support.gateway import gateways
from tests.support.gateway.small_control_plane import ASSIGNED
from tests.support.waiting import wait_for


@pytest.fixture
def veto(tmp_path):
    path = tmp_path / "veto"
    path.touch()
    return path


@pytest.fixture
def gateway(tmp_path, control_plane, veto):
    gateways.write(tmp_path, url=control_plane.url, extra=f'[maintenance]\nveto_file = "{veto}"\n')
    made = gateways.Gateway(tmp_path)
    yield made
    made.end()


def held(control_plane):
    return [report for report in control_plane.reports.values() if report["kind"] == "held"]


def some_polls(control_plane):
    polls = control_plane.polls
    wait_for(lambda: control_plane.polls > polls + 3, "more polls")


def push(gateway, rollout=9, version="1.2.0"):
    """The held transaction that a push, or a person, leaves behind; the machine was rebooted since."""
    with gateway.journal() as journal:
        now = journal.begin("update", version, rollout, {}, Clock.started(600))
        for state in (State.VERIFIED, State.BACKED_UP, State.PULLED):
            now = journal.advance(journal.intend(now, state), state)
        maintenance = gateways.read(gateway.directory).maintenance
        now = hold.keep(journal, now, HeldError("the kitchen is busy", kind="veto"), maintenance, critical=False)
        journal.note(now, clock=replace(now.clock, boot="another"))


def test_it_waits_and_goes_on_when_nothing_holds_any_more(gateway, control_plane, veto):
    control_plane.assigned = ASSIGNED
    agent = gateway.start()
    wait_for(lambda: held(control_plane), "the hold")
    assert held(control_plane)[0]["reason"] == f"the veto file {veto} exists"
    assert held(control_plane)[0]["rollout"] == 7
    some_polls(control_plane)
    agent.kill()
    agent.wait()
    gateway.start()
    some_polls(control_plane)
    assert gateway.calls("update") == ["update --version 1.2.0 --rollout 7"]
    veto.unlink()
    wait_for(lambda: "COMMITTED" in control_plane.states(), "COMMITTED")
    some_polls(control_plane)
    assert gateway.calls("update") == ["update --version 1.2.0 --rollout 7", "update --held"]
    assert len(held(control_plane)) == 1
    assert control_plane.states().count("RECEIVED") == 1
    assert gateway.calls("recover") == []


@pytest.mark.case("F06")
@pytest.mark.parametrize("rollout", [9, None])
def test_it_ends_what_a_push_or_a_person_began(gateway, control_plane, veto, rollout):
    push(gateway, rollout)
    control_plane.assigned = {**ASSIGNED, "rollout": rollout} if rollout else None
    gateway.start()
    some_polls(control_plane)
    assert (gateway.calls("update"), gateway.calls("recover")) == ([], [])
    veto.unlink()
    wait_for(lambda: "COMMITTED" in control_plane.states(), "COMMITTED")
    assert gateway.calls("update") == ["update --held"]
    assert {r["rollout"] for r in control_plane.reports.values() if r["state"] == "COMMITTED"} == {rollout}


def test_it_gives_up_what_is_not_assigned_any_more(gateway, control_plane):
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(lambda: held(control_plane), "the hold")
    control_plane.assigned = None
    wait_for(lambda: "FAILED" in control_plane.states(), "the end")
    assert gateway.calls("recover") == ["recover --held"]


def test_it_does_not_give_up_what_the_control_plane_has_not_heard_of(gateway, control_plane):
    """A push that is held back is assigned only once its report has arrived."""
    push(gateway)
    with gateway.journal() as journal:
        control_plane.refuse_reports = True
        gateway.start()
        some_polls(control_plane)
        assert journal.open_transaction() is not None
        control_plane.assigned = {**ASSIGNED, "rollout": 9}
        control_plane.refuse_reports = False
        wait_for(lambda: held(control_plane), "the hold")
        some_polls(control_plane)
        assert journal.open_transaction() is not None
    assert gateway.calls("recover") == []


def test_a_newer_assignment_takes_its_place(gateway, control_plane, veto):
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(lambda: held(control_plane), "the hold")
    control_plane.assigned = {**ASSIGNED, "version": "1.3.0", "rollout": 8}
    wait_for(lambda: len(held(control_plane)) == 2, "the second hold")
    veto.unlink()
    wait_for(lambda: "COMMITTED" in control_plane.states(), "COMMITTED")
    (ended,) = [r for r in control_plane.reports.values() if r["state"] == "COMMITTED"]
    assert (ended["version"], ended["rollout"]) == ("1.3.0", 8)


def test_once_looks_again_each_time(gateway, control_plane, veto):
    control_plane.assigned = ASSIGNED
    assert gateway.start("--once").wait(60) == 34
    assert gateway.start("--once").wait(60) == 0
    veto.unlink()
    assert gateway.start("--once").wait(60) == 0
    assert control_plane.states()[-1] == "COMMITTED"


# -- how often it looks, by a clock of the test -------------------------------------------------------


def waiting_for(gateway, kind, **settings):
    """A watch over a transaction that was held back by `kind`, and its clock."""
    with gateway.journal() as journal:
        now = journal.begin("update", "1.2.0", 7, {}, Clock.started(600))
        maintenance = MaintenanceConfig(**settings)
        now = hold.keep(journal, now, HeldError("as it was told", kind=kind), maintenance, critical=False)
    clock = TurnedClock()
    watch = HeldUpdateWatch(maintenance, clock)
    watch.observe(now)
    return watch, clock, now


def test_the_command_is_asked_once_a_minute(gateway, tmp_path):
    script = f"open({str(tmp_path / 'asked')!r}, 'a').write('x'); raise SystemExit(1)"
    command = [sys.executable, "-c", script]
    watch, clock, now = waiting_for(gateway, "veto", veto_command=command, veto_seconds=60)
    for _ in range(int(COMMAND_SECONDS) + 5):
        watch.observe(now)
        assert not watch.may_go_on()
        clock.now += 1
    assert (tmp_path / "asked").read_text() == "xx"


def test_another_kind_of_hold_is_told_by_the_engine_and_not_each_second(gateway, veto):
    watch, clock, _ = waiting_for(gateway, "window", veto_file=veto)
    assert watch.may_go_on()
    assert not watch.may_go_on()
    clock.now += COMMAND_SECONDS
    assert watch.may_go_on()


@pytest.mark.parametrize("kind", ["hook", "fetch"])
def test_what_only_the_engine_can_ask_is_asked_every_five_minutes(gateway, kind):
    watch, clock, _ = waiting_for(gateway, kind)
    assert not watch.may_go_on()
    clock.now += ENGINE_SECONDS - 100
    assert not watch.may_go_on()
    clock.now += 100
    assert watch.may_go_on()
    assert not watch.may_go_on()


def test_a_window_that_opens_is_noticed_at_the_next_turn(gateway):
    watch, _, _ = waiting_for(gateway, "window", windows=["daily 00:00-24:00"])
    assert watch.may_go_on()
    watch, _, _ = waiting_for(gateway, "window", windows=[gateways.closed_window()])
    assert not watch.may_go_on()


def test_what_a_person_began_is_not_the_control_planes_to_withdraw(gateway):
    watch, _, now = waiting_for(gateway, "window")
    watch.record_answer(Assignment("1.2.0", 7, False))
    assert not watch.withdrawn
    watch.record_answer(None)
    assert watch.withdrawn
    watch.observe(None)
    watch.record_answer(None)
    assert not watch.withdrawn
    with gateway.journal() as journal:
        journal.advance(now, State.FAILED)
        by_hand = journal.begin("update", "1.2.0", None, {"held": now.plan["held"]}, Clock.started(600))
    watch.observe(by_hand)
    watch.record_answer(None)
    assert not watch.withdrawn
