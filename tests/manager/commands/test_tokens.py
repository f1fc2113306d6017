"""`tokens` at a control plane that runs."""

from __future__ import annotations

import pytest

from ota_py.manager.controlplane.client import ControlPlane
from tests.support.manager.fleets import Fleet, Manager

pytestmark = pytest.mark.case("A54")


def test_a_token_is_made_used_and_revoked(fleet: Fleet, ota: Manager) -> None:
    file = fleet.directory / "olga.token"
    made = ota("tokens", "create", "olga", "--expires-days", "90", "--token-file", str(file))
    assert made.status == 0
    assert "of olga (operator) is made; it holds until 2" in made.out
    secret = file.read_text().strip()
    assert secret not in made.out
    assert file.stat().st_mode & 0o777 == 0o600
    olga = ControlPlane(fleet.control_plane_url, secret)
    (own,) = [one for one in olga.tokens() if one["name"] == "olga" and one["state"] == "valid"]
    listed = ota("tokens", "list")
    (line,) = [line for line in listed.out.splitlines() if line.startswith(f"{own['id']} ")]
    assert "valid" in line
    revoked = ota("tokens", "revoke", str(own["id"]))
    assert revoked.out == f"Token {own['id']} of olga (operator) is revoked.\n"
    again = ota("tokens", "list", "--json").json["tokens"]
    assert {one["id"]: one["state"] for one in again}[own["id"]] == "revoked"


def test_a_second_token_of_a_gateway_leaves_the_first_one_valid(fleet: Fleet, ota: Manager) -> None:
    ota("gateways", "add", "spare_001", "--delivery", "pull")
    made = ota("tokens", "create", "spare", "--role", "gateway", "--gateway", "spare_001", "--json")
    assert made.json["token"].startswith("ota_")
    tokens = ota("tokens", "list", "--gateway", "spare_001", "--json").json["tokens"]
    assert [one["state"] for one in tokens] == ["valid", "valid"]


def test_what_does_not_fit_is_refused_and_leaves_no_file(fleet: Fleet, ota: Manager) -> None:
    file = fleet.directory / "x.token"
    refused = ota("tokens", "create", "x", "--role", "gateway", "--token-file", str(file))
    assert (refused.status, refused.err) == (2, "error: a gateway's token, and no other, names its gateway\n")
    assert not file.exists()
    assert ota("tokens", "revoke", "99999").status == 6
