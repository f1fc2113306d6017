import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ota_py.contract.transactions import State
from ota_py.gateway.system import lock
from ota_py.gateway.system.clock import Clock
from tests.support.brokers import USERS, Broker, Control
from tests.support.gateway import gateways, small_engine
from tests.support.gateway.small_control_plane import ASSIGNED, delivered, kinds
from tests.support.paths import ROOT
from tests.support.states import STEPS
from tests.support.waiting import wait_for


@pytest.fixture
def gateway(tmp_path, control_plane):
    gateways.write(tmp_path, url=control_plane.url)
    made = gateways.Gateway(tmp_path)
    yield made
    made.end()


# -- taking what is assigned --------------------------------------------------------------------------


def test_an_assignment_is_taken_and_every_step_is_reported_once(gateway, control_plane):
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(delivered(control_plane), "COMMITTED")
    assert control_plane.states() == STEPS
    assert {r["rollout"] for r in kinds(control_plane, "transition")} == {7}
    assert gateway.calls("update") == ["update --version 1.2.0 --rollout 7"]
    wait_for(lambda: [r["version"] for r in kinds(control_plane, "status")][-1:] == ["1.2.0"], "the status")
    assert len(control_plane.deliveries) == len(set(control_plane.deliveries))


def test_steps_are_seen_while_the_transaction_runs(gateway, control_plane):
    gateway.script(until="STOPPED")
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(lambda: "PULLED" in control_plane.states(), "PULLED")
    assert "COMMITTED" not in control_plane.states()
    gateway.script()
    wait_for(delivered(control_plane), "COMMITTED")


def test_an_attempt_is_made_once_however_long_it_stays_assigned(gateway, control_plane):
    gateway.script(end="ROLLED_BACK")
    control_plane.assigned = ASSIGNED
    agent = gateway.start()
    wait_for(delivered(control_plane, "ROLLED_BACK"), "ROLLED_BACK")
    polls = control_plane.polls
    wait_for(lambda: control_plane.polls > polls + 3, "more polls")
    agent.terminate()
    agent.wait(60)
    gateway.start()
    polls = control_plane.polls
    wait_for(lambda: control_plane.polls > polls + 3, "polls after a restart")
    assert len(gateway.calls("update")) == 1


def test_assigned_again_is_tried_again(gateway, control_plane):
    gateway.script(end="FAILED")
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(delivered(control_plane, "FAILED"), "FAILED")
    control_plane.assigned = None
    polls = control_plane.polls
    wait_for(lambda: control_plane.polls > polls + 1, "a poll that says: nothing")
    gateway.script()
    control_plane.assigned = ASSIGNED
    wait_for(delivered(control_plane), "COMMITTED")
    assert len(gateway.calls("update")) == 2


def test_what_ends_before_a_transaction_is_not_repeated_either(gateway, control_plane):
    gateway.script(exit_status=20)
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(lambda: gateway.calls("update"), "a try")
    polls = control_plane.polls
    wait_for(lambda: control_plane.polls > polls + 3, "more polls")
    assert len(gateway.calls("update")) == 1


def test_another_rollout_of_the_version_is_another_attempt(gateway, control_plane):
    gateway.script(end="FAILED")
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(delivered(control_plane, "FAILED"), "FAILED")
    gateway.script()
    control_plane.assigned = {**ASSIGNED, "rollout": 8}
    wait_for(delivered(control_plane), "COMMITTED")


def test_a_child_that_was_killed_before_it_touched_anything_is_tried_again_later(gateway, control_plane):
    gateway.script(die_at="PULLED")
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(lambda: "try again version=1.2.0" in gateway.log(), "a log line")
    with gateway.journal() as journal:
        assert journal.open_transaction().state is State.BACKED_UP


# -- transactions of others, and without an owner ------------------------------------------------------


def open_transaction(gateway, state, boot=""):
    """As a push, or a process that was killed, leaves one behind."""
    with gateway.journal() as journal:
        now = journal.begin("update", "1.1.5", 9, {}, Clock.started(600))
        for name in STEPS[1 : STEPS.index(state) + 1]:
            now = journal.advance(journal.intend(now, State(name)), State(name))
        if boot:
            journal.note(now, clock=replace(now.clock, boot=boot))
    return now


@pytest.mark.case("F06")
def test_it_recovers_before_it_asks(gateway, control_plane):
    open_transaction(gateway, "STARTED")
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(delivered(control_plane), "COMMITTED")
    assert (gateway.directory / "calls").read_text().splitlines()[:2] == ["run", "recover"]
    assert control_plane.states()[-9:] == STEPS


def test_its_start_leaves_a_push_between_two_tasks_alone(gateway, control_plane):
    pushed = open_transaction(gateway, "VERIFIED")
    gateway.start()
    wait_for(lambda: kinds(control_plane, "status"), "the first status")
    polls = control_plane.polls
    wait_for(lambda: control_plane.polls > polls + 3, "some turns")
    with gateway.journal() as journal:
        assert journal.transaction(pushed.id).state is State.VERIFIED
    assert gateway.calls("recover") == []


@pytest.mark.case("F06")
def test_what_a_reboot_interrupted_is_ended_at_its_start(gateway, control_plane):
    open_transaction(gateway, "VERIFIED", boot="another")
    gateway.start()
    wait_for(delivered(control_plane, "FAILED"), "FAILED")
    assert gateway.calls("recover") == ["recover"]


def test_a_touched_transaction_without_an_owner_is_recovered_at_once(gateway, control_plane):
    gateway.script(die_at="STARTED")
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(delivered(control_plane, "ROLLED_BACK"), "ROLLED_BACK")
    assert len(gateway.calls("recover")) == 1
    assert len(gateway.calls("update")) == 1


def test_a_push_keeps_its_transaction_between_two_tasks(gateway, control_plane):
    gateway.start()
    wait_for(lambda: kinds(control_plane, "status"), "the first status")
    with gateway.journal() as journal:
        made = journal.begin("update", "1.2.0", 9, {}, Clock.started(600))
        journal.advance(journal.intend(made, State.VERIFIED), State.VERIFIED)
        wait_for(delivered(control_plane, "VERIFIED"), "the push's reports")
        time.sleep(1.5)
        assert journal.open_transaction().state is State.VERIFIED
    assert gateway.calls("recover") == []


def test_a_push_under_way_is_reported_and_nothing_is_started_beside_it(gateway, control_plane):
    gateway.start()
    wait_for(lambda: kinds(control_plane, "status"), "the first status")
    settings = gateways.read(gateway.directory)
    with lock.exclusive(settings.lock_path), gateway.journal() as journal:
        now = journal.begin("update", "1.2.0", 9, {}, Clock.started(600))
        control_plane.assigned = {**ASSIGNED, "rollout": 10}
        for state in [State(name) for name in STEPS[1:-1]]:
            now = journal.advance(journal.intend(now, state), state)
            wait_for(delivered(control_plane, state), f"the push's {state}")
        assert gateway.calls("update") == []
        journal.advance(journal.intend(now, State.COMMITTED), State.COMMITTED)
    wait_for(lambda: gateway.calls("update"), "the assignment, afterwards")


def test_a_busy_gateway_is_asked_again_later(gateway, control_plane):
    settings = gateways.read(gateway.directory)
    with lock.exclusive(settings.lock_path):
        control_plane.assigned = ASSIGNED
        gateway.start()
        wait_for(lambda: "try again version=1.2.0 in=15s exit_status=24" in gateway.log(), "a log line")
    wait_for(delivered(control_plane), "COMMITTED")


# -- links that fail ----------------------------------------------------------------------------------


def test_reports_arrive_once_after_the_api_was_away(gateway, control_plane):
    gateway.script(until="VERIFIED")
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(delivered(control_plane, "RECEIVED"), "the first report")
    control_plane.stop()
    gateway.script()
    wait_for(lambda: "state=COMMITTED" in gateway.log(), "the end without a control plane")
    assert gateway.waiting() > 0
    control_plane.lose_answers = 1
    control_plane.start()
    wait_for(lambda: gateway.waiting() == 0, "an empty outbox")
    assert control_plane.states() == STEPS


def test_an_api_that_is_away_at_the_start_is_found(gateway, control_plane):
    control_plane.stop()
    gateway.start()
    wait_for(lambda: "poll failed" in gateway.log(), "a log line")
    control_plane.assigned = ASSIGNED
    control_plane.start()
    wait_for(delivered(control_plane), "COMMITTED")


def test_a_hint_wakes_it_at_once(tmp_path, control_plane):
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker").start()
    gateways.write(tmp_path, url=control_plane.url, poll_seconds=120, broker=broker, password=USERS["boston_001"])
    gateway, control = gateways.Gateway(tmp_path), Control(broker)
    try:
        gateway.start()
        wait_for(lambda: "connected" in gateway.log() and kinds(control_plane, "status"), "the start")
        time.sleep(5)  # the look that follows a connection
        control_plane.assigned = ASSIGNED
        started = time.monotonic()
        for payload in (
            b"garbage",
            b'{"version": "1.2.0", "rollout": 7}',
            b'{"version": "1.2.0", "rollout": 7}',
        ):
            control.hint(payload)
        wait_for(delivered(control_plane), "COMMITTED")
        assert time.monotonic() - started < 60, "sooner than the next poll would come"
        assert len(gateway.calls("update")) == 1
        wait_for(lambda: b'"1.2.0"' in control.statuses[-1][0], "the version in the retained status")
    finally:
        control.close()
        gateway.end()
        broker.stop()


# -- being stopped, and its size ----------------------------------------------------------------------


def test_sigterm_ends_it_and_leaves_the_transaction_alone(gateway, control_plane):
    gateway.script(until="BACKED_UP")
    control_plane.assigned = ASSIGNED
    (gateway.directory / "patient.py").write_text(PATIENT)
    agent = gateway.start(program=str(gateway.directory / "patient.py"))
    wait_for(delivered(control_plane, "VERIFIED"), "VERIFIED")
    agent.terminate()
    assert agent.wait(60) == 0
    assert "left alone child=update" in gateway.log()
    gateway.script()
    with gateway.journal() as journal:
        wait_for(lambda: journal.installed_version == "1.2.0", "the end of the transaction")
    gateway.start()
    wait_for(delivered(control_plane), "COMMITTED")
    assert control_plane.states() == STEPS


def test_sigterm_ends_it_even_in_a_hanging_request(gateway, control_plane):
    server = subprocess.Popen([sys.executable, "-c", HANGING], stdout=subprocess.PIPE, text=True)
    try:
        gateways.write(gateway.directory, url=f"http://127.0.0.1:{server.stdout.readline().strip()}")
        (gateway.directory / "stubborn.py").write_text(STUBBORN)
        agent = gateway.start(program=str(gateway.directory / "stubborn.py"))
        assert server.stdout.readline() == "asked\n"
        agent.terminate()
        assert agent.wait(60) == 0, "sooner than a request gives up"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


HANGING = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.recv(1)
print("asked", flush=True)
time.sleep(600)
"""
AGENT = f"""
import sys
from ota_py.gateway.commands import run
from ota_py.gateway.controlplane import api
sys.argv[0] = {small_engine.__file__!r}
from tests.support.gateway.small_engine import main, program
from tests.support.paths import ROOT
"""
# The agent, but the main thread gives the loop all the time that a busy machine may take to end it.
PATIENT = f"{AGENT}run.STOP_SECONDS = 60.0\nmain(program)()\n"
# The agent, but no request gives up by itself while the test runs.
STUBBORN = f"{AGENT}api.Api.__init__.__defaults__ = (None, 300.0, 300.0)\nmain(program)()\n"


def test_killed_and_started_again_it_goes_on(gateway, control_plane):
    gateway.script(until="BACKED_UP")
    control_plane.assigned = ASSIGNED
    agent = gateway.start()
    wait_for(delivered(control_plane, "VERIFIED"), "VERIFIED")
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    gateway.start()
    gateway.script()
    wait_for(delivered(control_plane), "COMMITTED")
    polls = control_plane.polls
    wait_for(lambda: control_plane.polls > polls + 3, "polls that still assign it")
    assert control_plane.states() == STEPS
    assert len(gateway.calls("update")) == 1


def test_it_is_small_and_imports_nothing_that_only_a_transaction_needs(gateway, control_plane):
    agent = psutil.Process(gateway.start(program=str(ROOT / "ota_client.py")).pid)
    wait_for(lambda: kinds(control_plane, "status"), "the first status")
    loaded = {Path(mapped.path).name.split(".")[0] for mapped in agent.memory_maps()}
    assert not {name for name in loaded if "pydantic" in name or "rust" in name}
    assert agent.memory_info().rss < 40e6


# -- once, for cron -----------------------------------------------------------------------------------


def test_once_takes_delivers_and_exits(gateway, control_plane):
    control_plane.assigned = ASSIGNED
    agent = gateway.start("--once", "--json")
    assert agent.wait(60) == 0
    assert json.load(agent.stdout) == {"exit_status": 0}
    assert control_plane.states() == STEPS
    assert gateway.waiting() == 0


def test_once_with_nothing_to_do(gateway):
    assert gateway.start("--once").wait(60) == 0
    assert gateway.calls("update") == []


def test_once_ends_with_the_status_of_the_update(gateway, control_plane):
    gateway.script(end="ROLLED_BACK")
    control_plane.assigned = ASSIGNED
    assert gateway.start("--once").wait(60) == 31
    assert control_plane.states()[-1] == "ROLLED_BACK"


def test_once_without_a_control_plane_is_an_error_with_a_hint(gateway, control_plane):
    control_plane.stop()
    assert gateway.start("--once").wait(60) == 10
    assert f"error: the control plane at {control_plane.url} cannot be reached" in gateway.log()
    assert "hint:" in gateway.log()


# -- configuration ------------------------------------------------------------------------------------


def test_a_configuration_that_is_named_is_given_on(gateway, control_plane):
    control_plane.assigned = ASSIGNED
    (gateway.directory / "gateway.toml").rename(gateway.directory / "other.toml")
    assert gateway.start("--once", "--config", str(gateway.directory / "other.toml")).wait(60) == 0
    assert control_plane.states() == STEPS


def test_a_wrong_configuration_is_named(gateway):
    (gateway.directory / "gateway.toml").write_text('gateway_id = "Boston 1"\n')
    assert gateway.start().wait(60) == 3
    assert "gateway_id" in gateway.log()
    assert "Traceback" not in gateway.log()


def test_without_an_api_it_watches_and_keeps_the_reports(gateway):
    gateways.write(gateway.directory)
    agent = gateway.start()
    wait_for(lambda: gateway.waiting() == 1, "the status in the outbox")
    agent.terminate()
    assert agent.wait(60) == 0
