"""The command `create-update` from end to end: real registry and control plane, a repository in a directory."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import pytest

from ota_py.manager.controlplane.client import ControlPlane
from tests.support.manager.fleets import Fleet, Manager
from tests.support.manager.oci_images import push_image, push_index
from tests.support.processes import MANAGER, captured

COMPOSE = """\
services:
  mqtt-bridge:
    image: healthguard/mqtt-bridge:1.2.0
  database:
    image: healthguard/database:1
"""


def test_the_command_line_of_the_documentation(fleet: Fleet, ota: Manager) -> None:
    line = """create-update --version 1.2.0 --description "Add humidity sensor support"
        --images '{"mqtt-bridge": "healthguard/mqtt-bridge:1.2.0"}' --critical"""
    done = captured([*MANAGER, *shlex.split(line)], cwd=fleet.directory)
    assert done.returncode == 0, done.stderr
    assert "Update 1.2.0 (critical) is STAGED." in done.stdout

    manifest = ota("verify", "1.2.0", "--json").json["manifest"]
    assert manifest["critical"] is True
    assert manifest["description"] == "Add humidity sensor support"
    [update] = ota("list-updates", "--json").json["updates"]
    assert (update["version"], update["state"], update["critical"]) == ("1.2.0", "STAGED", True)
    assert update["images"] == manifest["images"]


def test_tags_become_the_digests_of_the_registry(registry: str, ota: Manager) -> None:
    digest = push_image(registry, "healthguard/api", "7", layers=[b"a" * 100, b"b" * 50])
    assert ota.create(images='{"api": "healthguard/api:7"}').status == 0
    manifest = ota("verify", "1.2.0", "--json").json["manifest"]
    image = manifest["images"]["api"]
    assert image["digest"] == digest
    assert image["reference"] == f"{registry}/healthguard/api:7"
    assert 150 < image["size"] < 400
    assert manifest["compatibility"]["architectures"] == ["amd64"]


def test_hooks_are_signed_with_the_update(ota: Manager) -> None:
    hooks = [{"at": "before-stop", "service": "mqtt-bridge", "command": ["/drain", "--fast"]}]
    done = ota.create("1.2.0", "--hooks", json.dumps(hooks))
    assert done.status == 0
    assert "before-stop, mqtt-bridge: /drain --fast" in done.out
    manifest = ota("verify", "1.2.0", "--json").json["manifest"]
    assert manifest["hooks"] == [{**hooks[0], "timeout_seconds": 60.0}]
    assert "before-stop, mqtt-bridge: /drain --fast" in ota("verify", "1.2.0").out


def test_size_and_architectures_of_an_index(registry: str, ota: Manager) -> None:
    layers = {"amd64": [b"x" * 1000], "arm64": [b"x" * 3000], "riscv64": [b"y"]}
    digest = push_index(registry, "healthguard/many", "1", layers)
    assert ota.create(images='{"many": "healthguard/many:1"}').status == 0
    manifest = ota("verify", "1.2.0", "--json").json["manifest"]
    assert manifest["images"]["many"]["digest"] == digest
    assert 3000 < manifest["images"]["many"]["size"] < 3300
    assert manifest["compatibility"]["architectures"] == ["amd64", "arm64"]


def test_a_new_compose_file_files_and_templates(registry: str, fleet: Fleet, ota: Manager) -> None:
    database = push_image(registry, "healthguard/database", "1")
    Path("compose.yml").write_text(COMPOSE)
    Path("bridge.conf").write_text("port 1883\n")
    Path("site.conf.j2").write_text("name {{ site_name }}\n")
    Path("hook.sh").write_text("#!/bin/sh\n")
    Path("hook.sh").chmod(0o755)
    done = ota.create(
        "1.2.0",
        *(
            "--compose",
            "compose.yml",
            "--file",
            "bridge.conf:config/bridge.conf",
            "--file",
            "hook.sh:hook.sh",
        ),
        *("--template", "site.conf.j2:config/site.conf", "--min-version", "1.0.0", "--hardware", "x86-box"),
        *("--group", "boston", "--settle-seconds", "2", "--timeout-minutes", "12"),
        *("--health", '[{"type": "tcp", "host": "127.0.0.1", "port": 1883}]'),
    )
    assert done.status == 0, done.err
    manifest = ota("verify", "1.2.0", "--json").json["manifest"]
    assert set(manifest["images"]) == {"mqtt-bridge", "database"}
    assert manifest["images"]["database"]["digest"] == database
    assert [(f["dest"], f["mode"], f["template"]) for f in manifest["files"]] == [
        ("config/bridge.conf", "0644", False),
        ("hook.sh", "0755", False),
        ("config/site.conf", "0644", True),
    ]
    assert manifest["compose"]["target"] == "updates/1.2.0/files/docker-compose.yml"
    assert manifest["compatibility"]["min_version"] == "1.0.0"
    assert manifest["compatibility"]["hardware"] == ["x86-box"]
    assert manifest["compatibility"]["groups"] == ["boston"]
    assert (manifest["health"]["settle_seconds"], manifest["timeout_minutes"]) == (2, 12)
    assert manifest["health"]["probes"][0]["type"] == "tcp"
    # The next update brings no Compose file: names are checked against this one.
    wrong = ota.create("1.3.0", images='{"mqtt-brigde": "healthguard/mqtt-bridge:1.2.0"}')
    assert (wrong.status, fleet.rows("SELECT count(*) FROM updates_update")) == (2, [(1,)])
    assert "the Compose file of 1.2.0 has no service mqtt-brigde" in wrong.err
    assert "did you mean mqtt-bridge?" in wrong.err


def test_a_step_that_the_update_before_asks_for_is_not_dropped_silently(ota: Manager) -> None:
    assert ota.create("1.2.0", "--min-version", "1.1.0").status == 0
    dropped = ota.create("1.3.0", "--dry-run").err
    assert "1.2.0 needs at least version 1.1.0, and 1.3.0 is for any version: gateways older than" in dropped
    lower = ota.create("1.3.0", "--dry-run", "--min-version", "1.0.0").err
    assert "1.3.0 is for 1.0.0 and newer" in lower
    assert "would jump over" not in ota.create("1.3.0", "--dry-run", "--min-version", "1.1.0").err


def test_whom_an_update_is_for_is_shown(ota: Manager) -> None:
    done = ota.create("1.2.0", "--min-version", "1.0.0", "--max-version", "1.1.9", "--allow-downgrade")
    assert "  only from 1.0.0 or newer and 1.1.9 or older\n" in done.out
    assert "  MAY REPLACE A NEWER VERSION\n" in done.out
    assert "MAY REPLACE A NEWER VERSION" in ota("verify", "1.2.0").out
    none = ota.create("1.3.0", "--min-version", "1.2.0", "--max-version", "1.1.9")
    assert none.status == 2
    assert "no version is at least 1.2.0 and at most 1.1.9" in none.err


def test_dry_run_checks_everything_and_changes_nothing(fleet: Fleet, ota: Manager) -> None:
    before = fleet.state()
    done = ota.create("1.2.0", "--dry-run")
    assert done.status == 0
    assert done.json["version"] == "1.2.0"
    assert fleet.state() == before


def test_the_same_version_twice_is_refused(fleet: Fleet, ota: Manager) -> None:
    assert ota.create().status == 0
    before = fleet.state()
    again = ota.create()
    assert again.status == 5
    assert "update 1.2.0 exists already" in again.err
    assert "such as 1.2.1" in again.err
    assert fleet.state() == before


def test_a_failure_before_the_registration_is_finished_by_the_same_command(
    fleet: Fleet, ota: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ControlPlane, update: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ControlPlane, "register_update", fail)
        assert ota.create().status == 130
    assert fleet.rows("SELECT count(*) FROM updates_update") == [(0,)]
    published = fleet.repository()

    other = ota.create("1.2.0", "--description", "another")
    assert other.status == 5
    assert "published with other content" in other.err

    time.sleep(1)  # the manifest's time must not count as another content
    again = ota.create()
    assert again.status == 0, again.err
    assert "from an earlier attempt" in again.err
    assert fleet.repository() == published
    assert fleet.rows("SELECT version, state FROM updates_update") == [("1.2.0", "STAGED")]


def test_a_store_that_fails_half_way_leaves_nothing_installable(fleet: Fleet, ota: Manager) -> None:
    metadata = fleet.directory / "repository" / "metadata"
    timestamp = (metadata / "timestamp.json").read_bytes()
    # The snapshot's name is taken by a directory: the store fails after the targets were written.
    blocked = metadata / "2.snapshot.json"
    (blocked / "x").mkdir(parents=True)
    failed = ota.create()
    assert failed.status == 10
    assert "2.snapshot.json: Is a directory" in failed.err
    assert (metadata / "timestamp.json").read_bytes() == timestamp
    assert fleet.rows("SELECT count(*) FROM updates_update") == [(0,)]
    (blocked / "x").rmdir()
    blocked.rmdir()
    assert ota.create().status == 0
    assert ota("verify", "1.2.0").status == 0


def test_a_service_that_is_slow_to_stop_is_warned_of(registry: str, ota: Manager) -> None:
    push_image(registry, "healthguard/slow", "1", entrypoint=["/bin/sh", "-c", "run; sleep 9"])
    done = ota.create("1.2.0", "--json", images='{"slow": "healthguard/slow:1"}')
    assert done.status == 0
    assert any("10 s of down time" in warning for warning in done.json["warnings"])


def test_json_output(fleet: Fleet, ota: Manager) -> None:
    done = ota.create("1.2.0", "--json")
    assert json.loads(done.out)["update"]["state"] == "STAGED"


@pytest.mark.case("F33")
def test_what_an_update_does_to_data_is_signed_and_shown(ota: Manager) -> None:
    made = ota.create("1.2.0", "--migrates")
    assert "migrates data: only for gateways with a database to restore" in made.out
    kept = ota.create("1.3.0", "--on-rollback", "keep")
    assert "a rollback leaves the databases as they are" in kept.out

    first = ota("verify", "1.2.0", "--json").json["manifest"]["data"]
    assert first == {"migrates": True, "on_rollback": "restore"}
    assert ota("verify", "1.3.0", "--json").json["manifest"]["data"]["on_rollback"] == "keep"
    assert "migrates data" in ota("verify", "1.2.0").out
