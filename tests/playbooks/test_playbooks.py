"""The other playbooks, and the dynamic inventory."""

from __future__ import annotations

import json
import os

from tests.support.paths import ROOT
from tests.support.processes import captured
from tests.support.rollout.fleets import Fleet, one_line


def test_health_check_names_the_gateway_that_does_not_answer(fleet: Fleet) -> None:
    fleet.add("a")
    b = fleet.add("b", unreachable=True)
    done = fleet.play(playbook="playbooks/health_check.yml")
    assert done.returncode != 0
    assert f"fatal: [{b}]: UNREACHABLE!" in done.stdout


def test_rollback_needs_named_gateways_and_touches_only_those(fleet: Fleet) -> None:
    a, b = fleet.add("a"), fleet.add("b")
    done = fleet.play(playbook="playbooks/rollback.yml")
    assert "Name the gateways: -e target=boston_001" in one_line(done.stdout)
    assert fleet.engine(a)["calls"] == []

    done = fleet.play("-e", f"target={a}", playbook="playbooks/rollback.yml")
    assert done.returncode == 0, done.stdout
    assert fleet.engine(a)["calls"] == [["rollback"], ["health-check"]]
    assert fleet.engine(b)["calls"] == []


def test_create_update_passes_on_why_it_refused(fleet: Fleet) -> None:
    for name in ("keys", "repository"):
        (fleet.directory / name).symlink_to(fleet.workplace / name)
    images = {"mqtt-bridge": "127.0.0.1:9/healthguard/mqtt-bridge:9.0.0"}
    given = fleet.directory / "update.yml"
    given.write_text(json.dumps({"version": "9.0.0", "images": images}))
    done = fleet.play("-e", f"update={given}", playbook="playbooks/create_update.yml")
    assert done.returncode != 0
    assert "127.0.0.1:9" in one_line(done.stdout), done.stdout
    assert '"code": "registry"' in one_line(done.stdout)


def test_the_control_planes_inventory_drives_a_rollout(fleet: Fleet) -> None:
    a = fleet.add("a", "pull")
    script = ROOT / "inventory" / "control_plane.py"
    done = captured(
        ["ansible-inventory", "-i", str(script), "--list"],
        cwd=fleet.directory,
        environment=fleet.environment(),
        check=True,
    )
    listed = json.loads(done.stdout)
    assert os.access(script, os.X_OK)
    assert a in listed["gateways"]["hosts"]
    assert listed["_meta"]["hostvars"][a]["ota_delivery"] == "pull"


def test_a_good_run_has_no_warnings(fleet: Fleet) -> None:
    a = fleet.add("a")
    done = fleet.roll_out(gateways=a)
    assert done.returncode == 0
    assert "WARNING" not in done.stdout + done.stderr
