"""The agent on links that fail: control plane, broker and repository are real, the link is not kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.brokers import USERS, Broker, Control
from tests.support.flapping import DOWN, UP, Flapping
from tests.support.gateway import gateways
from tests.support.gateway.site import CLIENT, Site
from tests.support.gateway.small_control_plane import ASSIGNED, TOKEN, delivered, kinds
from tests.support.operators import counted, start_rollout
from tests.support.ports import free_port
from tests.support.states import STEPS
from tests.support.waiting import wait_for


@pytest.fixture
def gateway(tmp_path):
    made = gateways.Gateway(tmp_path)
    yield made
    made.end()


@pytest.mark.case("F24")
def test_a_link_that_flaps_loses_no_report_and_none_is_counted_twice(real_control_plane, gateway):
    token = real_control_plane.add_gateway("flapping_1", delivery="pull")["token"]
    port = int(real_control_plane.url.rpartition(":")[2])
    with Flapping(port, seed=7, cuts=10) as link:
        gateways.write(gateway.directory, url=f"http://127.0.0.1:{link.port}", token=token, gateway_id="flapping_1")
        gateway.script(seconds=2)
        rollout = start_rollout(real_control_plane, "flapping_1", "1.2.0")
        gateway.start()
        result = lambda: real_control_plane.rollout(rollout)["gateways"][0]["state"]  # noqa: E731
        wait_for(lambda: result() == "SUCCEEDED", "the result", seconds=120)
        wait_for(lambda: gateway.waiting() == 0, "an empty outbox", seconds=120)
        wait_for(lambda: len(link.cut) >= 10, "the last of the cuts: it polls on")
        assert {place for place, _ in link.cut} == {UP, DOWN}
    assert counted(real_control_plane, "flapping_1") == STEPS
    assert len(gateway.calls("update")) == 1


@pytest.mark.case("F24")
def test_killed_between_delivery_and_acknowledgement_it_delivers_again_and_counts_once(
    real_control_plane,
    gateway,
):
    token = real_control_plane.add_gateway("killed_1", delivery="pull")["token"]
    gateways.write(gateway.directory, url=real_control_plane.url, token=token, gateway_id="killed_1")
    rollout = start_rollout(real_control_plane, "killed_1", "1.3.0")
    killed = gateway.start("--once", OTA_CRASH_AT="journal.outbox.acknowledge.before")
    assert killed.wait(60) == -9
    told = counted(real_control_plane, "killed_1")
    assert told, "they were delivered"
    assert gateway.waiting() >= len(told), "and not yet forgotten"
    wait_for(lambda: gateway.last_state() == "COMMITTED", "the end of the update, which owns itself")
    assert gateway.start("--once").wait(60) == 0
    assert counted(real_control_plane, "killed_1") == STEPS
    assert gateway.waiting() == 0
    assert real_control_plane.rollout(rollout)["gateways"][0]["state"] == "SUCCEEDED"
    assert len(gateway.calls("update")) == 1


@pytest.mark.case("F22")
def test_with_the_broker_down_polling_still_delivers(gateway, control_plane):
    (gateway.directory / "broker").mkdir()
    broker = Broker(gateway.directory / "broker")  # never started
    gateways.write(gateway.directory, url=control_plane.url, broker=broker, password=USERS["boston_001"])
    control_plane.assigned = ASSIGNED
    gateway.start()
    wait_for(delivered(control_plane), "COMMITTED")
    assert control_plane.states() == STEPS
    wait_for(lambda: "broker cannot be reached" in gateway.log(), "a word about the broker")


@pytest.mark.case("F23")
def test_hints_twice_late_in_another_order_or_lost_change_nothing(gateway, control_plane):
    (gateway.directory / "broker").mkdir()
    broker = Broker(gateway.directory / "broker").start()
    gateways.write(
        gateway.directory, url=control_plane.url, poll_seconds=3, broker=broker, password=USERS["boston_001"]
    )
    control = Control(broker)
    try:
        gateway.start()
        wait_for(lambda: "connected" in gateway.log() and kinds(control_plane, "status"), "the start")
        control_plane.assigned = ASSIGNED
        for version in ("1.3.0", "1.1.0", "1.2.0", "1.2.0", "9.9.9", "1.2.0"):
            control.hint(b'{"version": "%s", "rollout": 7}' % version.encode())
        wait_for(delivered(control_plane), "COMMITTED")
        control.hint(b'{"version": "1.2.0", "rollout": 7}')  # late
        polls = control_plane.polls
        wait_for(lambda: control_plane.polls > polls, "the look after it")
        control_plane.assigned = {**ASSIGNED, "version": "1.3.0", "rollout": 8}  # its hint is lost
        wait_for(lambda: control_plane.states().count("COMMITTED") == 2, "the second update")
        assert gateway.calls("update") == [
            "update --version 1.2.0 --rollout 7",
            "update --version 1.3.0 --rollout 8",
        ]
    finally:
        control.close()
        broker.stop()


# The real program, but it does not wait a minute before it tries again.
IMPATIENT = """
from ota_py.gateway.agent import assignments
assignments.RETRY_FIRST_SECONDS = assignments.RETRY_LIMIT_SECONDS = 0.5
from ota_py.gateway.cli import main
main()
"""


@pytest.mark.docker
@pytest.mark.case("F21", "F24")
def test_a_repository_that_is_down_and_then_flaps_is_tried_until_the_update_is_done(
    site: Site, control_plane, tmp_path: Path
):
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")}, {"config/app.conf": b"second\n"})
    web, program, token = free_port(), tmp_path / "impatient.py", tmp_path / "token"
    program.write_text(IMPATIENT)
    token.write_text(TOKEN)
    control_plane.gateway_id = "site_1"
    control_plane.assigned = {"version": "1.1.0", "rollout": 7, "critical": False}
    with Flapping(web, seed=3, cuts=3) as repository, Flapping(control_plane.port, seed=4, cuts=3) as api:
        site.configure(f'[api]\nurl = "http://127.0.0.1:{api.port}"\ntoken_file = "{token}"\npoll_seconds = 0.3\n')
        text = site.config_file.read_text()
        old = f"file://{site.directory}/repository"
        site.config_file.write_text(text.replace(old, f"http://127.0.0.1:{repository.port}"))
        with open(tmp_path / "log", "wb") as log:
            agent = subprocess.Popen(
                [sys.executable, program, "run", "--config", site.config_file],
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(CLIENT.parent)},
            )
        server = None
        try:
            said = lambda: (tmp_path / "log").read_text()  # noqa: E731
            wait_for(lambda: said().count("try again version=1.1.0") >= 2, "two tries", seconds=120)
            assert site.version_of("app") == "1.0.0"
            server = subprocess.Popen(
                [sys.executable, "-m", "http.server", str(web), "--bind", "127.0.0.1"],
                cwd=site.directory / "repository",
                stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            wait_for(delivered(control_plane), "COMMITTED", seconds=180)
            assert len(repository.cut) >= 3
        finally:
            for process in (agent, server):
                if process is not None:
                    process.kill()
                    process.wait()
    assert site.version_of("app") == "1.1.0"
    assert control_plane.states() == STEPS
