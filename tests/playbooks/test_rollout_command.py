"""The commands `rollout` and `status`: what they print, and their exit statuses."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest

from tests.support.processes import MANAGER
from tests.support.rollout.fleets import Fleet
from tests.support.waiting import wait_for


def rollout_json(fleet: Fleet, *arguments: str) -> tuple[int, Any]:
    done = fleet.manager("rollout", *arguments, "--json")
    return done.returncode, json.loads(done.stdout)


def test_success_is_0_with_one_json_document(fleet: Fleet) -> None:
    a, b = fleet.add("a"), fleet.add("b")
    status, answer = rollout_json(fleet, "--version", fleet.version, "--gateways", f"{a},{b}", "--percentage", "100")

    assert (status, answer["rollout"]["state"]) == (0, "COMPLETED")
    assert [g["state"] for g in answer["rollout"]["gateways"]] == ["SUCCEEDED", "SUCCEEDED"]
    assert "error" not in answer
    assert json.loads(fleet.manager("status", str(answer["rollout"]["id"]), "--json").stdout) == {
        "rollout": answer["rollout"]
    }
    assert list(fleet.directory.glob("ota-rollout-*")) == []


def test_without_percentage_one_gateway_goes_alone_then_a_quarter_then_the_rest(fleet: Fleet) -> None:
    ids = [fleet.add(f"g{n}") for n in range(9)]
    answer = fleet.manager("rollout", "--version", fleet.version, "--gateways", ",".join(ids), "--dry-run", "--json")
    plan = json.loads(answer.stdout)["plan"]

    assert plan["batch_sizes"] == [1, 2, 6]
    assert fleet.version not in [one["version"] for one in fleet.control_plane.rollouts()]


def test_stopped_by_the_gate_is_40_and_resuming_ends_with_41(fleet: Fleet) -> None:
    a, b = fleet.add("a", update="rolls_back", reason="mqtt-bridge: exited 1"), fleet.add("b")
    done = fleet.manager("rollout", "--version", fleet.version, "--gateways", f"{a},{b}", "--percentage", "50")

    number = fleet.rollout()["id"]
    assert done.returncode == 40
    assert f"{a}: ROLLED_BACK (batch 1): mqtt-bridge: exited 1" in done.stdout
    assert f"rollout {number} of {fleet.version} is PAUSED: 1 failed, 0 allowed: {a}" in done.stderr
    assert f"rollout --resume {number}" in done.stderr
    assert fleet.engine(b)["calls"] == []

    status, answer = rollout_json(fleet, "--resume", str(number))
    assert (status, answer["error"]["code"]) == (41, "incomplete")
    assert fleet.states() == {"a": "ROLLED_BACK", "b": "SUCCEEDED"}


def test_ctrl_c_pauses_says_how_to_go_on_and_resume_finishes(fleet: Fleet) -> None:
    a, b = fleet.add("a", update="hangs"), fleet.add("b")
    words = ["rollout", "--version", fleet.version, "--gateways", f"{a},{b}", "--percentage", "50"]
    running = subprocess.Popen(
        [*MANAGER, "--config", str(fleet.config), *words],
        cwd=fleet.directory,
        env=fleet.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until_it_hangs(fleet, a)
    running.send_signal(signal.SIGINT)
    _, complaint = running.communicate(timeout=120)

    rollout = fleet.rollout()
    assert running.returncode == 130
    assert f"go on with `ota_manager.py rollout --resume {rollout['id']}`" in complaint
    assert "Traceback" not in complaint
    assert (rollout["state"], rollout["reason"]) == ("PAUSED", "interrupted by the operator")
    assert fleet.states()["b"] == "PENDING"
    assert fleet.engine(b)["calls"] == []

    fleet.behave(a, update="good")
    assert fleet.manager("rollout", "--resume", str(rollout["id"])).returncode == 0
    assert fleet.states() == {"a": "SUCCEEDED", "b": "SUCCEEDED"}


def wait_until_it_hangs(fleet: Fleet, gateway: str) -> None:
    hanging = fleet.directory / "gateways" / gateway / "hanging"
    wait_for(hanging.exists, f"{gateway} to be asked to apply the update")


def test_abort_is_for_good(fleet: Fleet) -> None:
    a = fleet.add("a", update="rolls_back")
    fleet.manager("rollout", "--version", fleet.version, "--gateways", a)
    number = str(fleet.rollout()["id"])

    assert fleet.manager("rollout", "--abort", number).returncode == 0
    assert fleet.rollout()["state"] == "ABORTED"
    status, answer = rollout_json(fleet, "--resume", number)
    assert (status, answer["error"]["code"]) == (42, "not_started")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--gateways", "A"), 2, "gateway id 'A' is not allowed"),
        (("--gateways", "a,a"), 2, "named twice: a"),
        (("--gateways", "a", "--percentage", "0"), 2, "percentage '0' is out of range"),
        (("--gateways", "a", "--percentage", "50,101"), 2, "percentage '50,101' is out of range"),
        (("--gateways", "a", "--stagger", "-1"), 2, "stagger '-1' is out of range"),
        (("--gateways", "a", "--stagger", "nan"), 2, "stagger 'nan' is out of range"),
        (("--gateways", "a", "--max-failures", "101%"), 2, "max-failures '101%' is out of range"),
        (("--gateways", "a", "--version", "new"), 2, "version 'new' is not a semantic version"),
        (("--gateways", "nobody"), 42, "not in the inventory: nobody"),
        (("--gateways", "{{ x }}"), 2, "gateway id '{{ x }}' is not allowed"),
        (("--gateways", "a", "--resume", "1"), 2, "give one of --version, --resume and --abort"),
        ((), 2, "this would bring"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    fleet: Fleet, words: tuple[str, ...], status: int, message: str
) -> None:
    a = fleet.add("a")
    done = fleet.manager("rollout", "--version", fleet.version, *words)

    assert (done.returncode, done.stderr.startswith("error: ")) == (status, True), done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert fleet.version not in [one["version"] for one in fleet.control_plane.rollouts()]
    assert fleet.engine(a)["calls"] == []


def test_an_update_that_nobody_created_is_42(fleet: Fleet) -> None:
    a = fleet.add("a")
    status, answer = rollout_json(fleet, "--version", "77.0.0", "--gateways", a)
    assert (status, answer["error"]["code"]) == (42, "not_started")


def test_a_control_plane_that_is_away_is_42(fleet: Fleet) -> None:
    a = fleet.add("a")
    text = fleet.config.read_text()
    fleet.config.write_text(text.replace(fleet.control_plane.url, "http://127.0.0.1:9"))
    status, answer = rollout_json(fleet, "--version", fleet.version, "--gateways", a)
    assert status == 42
    assert "cannot be reached: Connection refused" in answer["error"]["message"]
