"""The commands `gateways`, `list-updates`, `withdraw` and `renew`; and the help."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ota_py.errors import ControlPlaneError
from ota_py.manager.cli import COMMANDS
from ota_py.manager.controlplane.client import ControlPlane
from tests.support.http_servers import scripted
from tests.support.manager.fleets import Fleet, Manager
from tests.support.processes import MANAGER, captured

ADD = ("gateways", "add", "boston_001", "--delivery", "push")


def test_add_writes_the_token_for_the_gateway_alone(fleet: Fleet, ota: Manager) -> None:
    done = ota(*ADD, "--address", "10.0.0.11", "--group", "boston", "--token-file", "token")
    assert done.status == 0, done.err
    token = Path("token")
    assert token.stat().st_mode & 0o777 == 0o600
    secret = token.read_text().strip()
    assert secret not in done.out + done.err
    with ControlPlane(fleet.control_plane_url, secret) as gateway:
        assert gateway.assignment("boston_001") is None
    [listed] = ota("gateways", "--json", "--group", "boston").json["gateways"]
    assert (listed["id"], listed["delivery"], listed["address"]) == ("boston_001", "push", "10.0.0.11")
    assert ota("gateways", "--json", "--group", "elsewhere").json["gateways"] == []
    assert "boston_001  push" in ota("gateways").out


def test_the_same_gateway_twice(ota: Manager) -> None:
    assert ota(*ADD, "--token-file", "token").status == 0
    token = Path("token").read_text()
    again = ota(*ADD, "--token-file", "other")
    assert again.status == 5
    assert "boston_001 is registered already" in again.err
    assert not Path("other").exists()
    occupied = ota("gateways", "add", "boston_002", "--delivery", "pull", "--token-file", "token")
    assert occupied.status == 5
    assert "token exists; a secret is never overwritten" in occupied.err
    assert Path("token").read_text() == token
    assert len(ota("gateways", "--json").json["gateways"]) == 1


def test_a_new_token_revokes_the_one_before(fleet: Fleet, ota: Manager) -> None:
    first = ota(*ADD, "--json").json["token"]
    second = ota("gateways", "token", "boston_001", "--json").json["token"]
    with ControlPlane(fleet.control_plane_url, second) as gateway:
        gateway.assignment("boston_001")
    with (
        ControlPlane(fleet.control_plane_url, first) as gateway,
        pytest.raises(ControlPlaneError, match="refused the token"),
    ):
        gateway.assignment("boston_001")


def test_change(ota: Manager) -> None:
    ota(*ADD)
    assert ota("gateways", "change", "boston_001", "--delivery", "pull", "--group", "b").status == 0
    [gateway] = ota("gateways", "--json").json["gateways"]
    assert (gateway["delivery"], gateway["groups"]) == ("pull", ["b"])
    assert ota("gateways", "change", "boston_001").status == 2
    assert ota("gateways", "change", "nobody", "--address", "x").status == 6


@pytest.mark.parametrize("name", ["Boston", "a/b", "{{ 7*7 }}", "../x", ""])
def test_ids_that_are_not_allowed(ota: Manager, name: str) -> None:
    done = ota("gateways", "add", name, "--delivery", "push")
    assert done.status == 2
    assert "is not allowed" in done.err
    assert ota("gateways", "--json").json["gateways"] == []


def test_withdraw(ota: Manager) -> None:
    assert ota("withdraw", "1.2.0").status == 6
    assert ota.create().status == 0
    assert ota("withdraw", "1.2.0").out == "Update 1.2.0 is WITHDRAWN.\n"
    assert "1.2.0    WITHDRAWN  no" in ota("list-updates").out


def test_renew_changes_freshness_and_nothing_else(fleet: Fleet, ota: Manager) -> None:
    assert ota.create().status == 0
    before = fleet.repository()
    assert ota("renew").status == 0
    after = fleet.repository()
    changed = {key for key in after if before.get(key) != after[key]}
    assert changed == {"metadata/3.snapshot.json", "metadata/timestamp.json"}
    assert ota("verify", "1.2.0").status == 0


def test_errors_as_json(ota: Manager) -> None:
    done = ota("verify", "9.9.9", "--json")
    assert done.status == 6
    assert done.json["error"]["code"] == "not_found"
    assert done.err == ""


def test_a_control_plane_that_is_something_else(fleet: Fleet, ota: Manager) -> None:
    with scripted(lambda path, headers: (200, {}, b"<html>")) as other:
        fleet.change(fleet.control_plane_url, f"http://{other}")
        done = ota("gateways")
    assert done.status == 10
    assert f"http://{other} answered /gateways with something that is not a control plane's" in done.err


def test_help_imports_little() -> None:
    done = captured([*MANAGER, "--help"], check=True)
    for name in COMMANDS:
        assert name in done.stdout
    script = """
import sys
from ota_py.cli import run
from ota_py.manager.cli import command
run(command, ["create-update", "--help"])
print(sorted({"boto3", "django", "tuf", "requests", "ansible"} & set(sys.modules)))
"""
    shown = captured([sys.executable, "-c", script], check=True)
    assert shown.stdout.endswith("[]\n")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("rollout", "status")])
def test_every_command_explains_itself(ota: Manager, name: str) -> None:
    shown = ota(name, "--help")
    assert shown.status == 0
    assert "Example" in shown.out
