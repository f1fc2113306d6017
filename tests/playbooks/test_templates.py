"""Text that others wrote, on its way to Ansible: what looks like a template stays text (A25)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ota_py.errors import ControlPlaneError, UsageError
from ota_py.manager.ansible_base.gateway_answer import Answer, to_result
from ota_py.manager.rollout.inventory import checked
from ota_py.manager.rollout.request import is_batch_host, play_hosts
from tests.support.http_servers import scripted
from tests.support.paths import ROOT
from tests.support.processes import captured
from tests.support.rollout.fleets import Fleet, one_line, recap

pytestmark = pytest.mark.case("A25")

JINJA = "{{ lookup('ansible.builtin.pipe', 'touch MARK') }}"
GOOD: dict[str, Any] = {
    "_meta": {"hostvars": {"boston_001": {"ansible_host": "10.0.0.1", "ota_delivery": "push"}}},
    "all": {"children": ["boston", "gateways"]},
    "boston": {"hosts": ["boston_001"]},
    "gateways": {"hosts": ["boston_001"]},
}


def with_variable(name: str, value: object) -> dict[str, Any]:
    return {**GOOD, "_meta": {"hostvars": {"boston_001": {name: value}}}}


def test_the_control_planes_own_inventory_is_let_through() -> None:
    assert checked(GOOD) == GOOD


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (with_variable("ansible_host", JINJA), 'ansible_host = "{{ lookup('),
        (with_variable("ansible_host", "-oProxyCommand=id"), "ansible_host = '-oProxyCommand"),
        (with_variable("ansible_connection", "local"), "ansible_connection = 'local' of boston_001"),
        (with_variable("ansible_python_interpreter", "/tmp/x"), "ansible_python_interpreter"),
        (with_variable("ota_delivery", "push\n"), "ota_delivery"),
        (with_variable("ota_hardware", ["box"]), "ota_hardware"),
        ({**GOOD, JINJA: {"hosts": []}}, 'the name "{{ lookup('),
        ({**GOOD, "gateways": {"hosts": [JINJA]}}, 'the name "{{ lookup('),
        ({**GOOD, "gateways": {"hosts": ["localhost"]}}, "the name 'localhost'"),
        ({**GOOD, "gateways": {"hosts": [1]}}, "no inventory"),
        ({**GOOD, "gateways": []}, "no inventory"),
        ({"_meta": {}}, "no inventory"),
        ({**GOOD, "gateways": {"vars": {"ansible_connection": "local"}}}, "more than members in the group"),
    ],
)
def test_an_inventory_of_a_stolen_control_plane_is_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(ControlPlaneError) as caught:
        checked(document)
    assert words in caught.value.message
    assert "which Ansible must not be given" in caught.value.message


def test_a_stolen_control_plane_runs_nothing_on_the_controller(fleet: Fleet, tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    served = with_variable("ansible_host", JINJA.replace("MARK", str(mark)))
    served["_meta"]["hostvars"]["boston_001"]["ansible_connection"] = "local"
    body = json.dumps(served).encode()
    text = fleet.config.read_text()
    with scripted(lambda path, headers: (200, {"Content-Type": "application/json"}, body)) as address:
        fleet.config.write_text(text.replace(fleet.control_plane.url, f"http://{address}"))
        inventory, playbook = ROOT / "inventory" / "control_plane.py", ROOT / "playbooks" / "health_check.yml"
        argv = ["ansible-playbook", "-i", inventory, playbook]
        done = captured(argv, cwd=fleet.directory, environment=fleet.environment(), seconds=60)
    assert not mark.exists()
    assert "which Ansible must not be given" in one_line(done.stderr + done.stdout)


def test_a_plan_of_a_stolen_control_plane_names_gateways_only() -> None:
    with pytest.raises(UsageError, match="is not allowed"):
        play_hosts([(0, [{"id": JINJA, "delivery": "push"}])])


def test_what_ansible_acts_on_is_left_out_of_an_answer() -> None:
    answer = {
        "version": "1.2.0",
        "add_host": {"host_name": "x"},
        "add_group": "x",
        "ansible_facts": {"ansible_connection": "local"},
        "_ansible_no_log": True,
        "unreachable": True,
        "skipped": True,
        "results": [],
    }
    assert to_result(Answer(0, json.dumps(answer), "")) == {"version": "1.2.0", "changed": False}


@pytest.mark.parametrize("update", ["good", "rolls_back"])
def test_a_stolen_gateway_runs_nothing_on_the_controller(fleet: Fleet, tmp_path: Path, update: str) -> None:
    mark = tmp_path / "owned"
    jinja = JINJA.replace("MARK", str(mark))
    variables = {"ansible_connection": "local", "ansible_python_interpreter": f"/usr/bin/touch {mark};"}
    says = {
        "add_host": {"host_name": "intruder", "groups": ["ota_sweep", "gateways"], "host_vars": variables},
        "add_group": {"group_name": "ota_sweep"},
        "ansible_facts": {"ota_update_version": jinja, "ansible_facts": {"x": jinja}, **variables},
        "warnings": [jinja],
        "version": jinja,
        "hint": jinja,
        "steps": [{jinja: jinja}],
    }
    a = fleet.add("a", update=update, reason=jinja, says=says)
    done = fleet.play("-e", f"version={fleet.version}", "-vvv")

    assert not mark.exists()
    assert done.returncode == (0 if update == "good" else 2)
    hosts = {line.split(" :")[0].strip() for line in recap(done.stdout).splitlines() if " : " in line}
    assert hosts - {a} == {host for host in hosts if host == "localhost" or is_batch_host(host)}
    assert "touch" in done.stdout, "the text is there, as text"
    assert fleet.rollout()["gateways"][0]["reason"] == (jinja if update == "rolls_back" else "")


@pytest.mark.parametrize("option", ["--version", "--gateways"])
def test_a_template_as_an_argument_is_refused(fleet: Fleet, tmp_path: Path, option: str) -> None:
    mark = tmp_path / "owned"
    fleet.add("a")
    given = {"--version": fleet.version, option: JINJA.replace("MARK", str(mark))}
    done = fleet.manager("rollout", *(word for pair in given.items() for word in pair))
    assert done.returncode == 2, done.stderr
    assert not mark.exists()
    assert "Traceback" not in done.stderr
