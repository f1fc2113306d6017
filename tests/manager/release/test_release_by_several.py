"""Updates that two of three people release, on machines of their own, by a file that they pass on."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.manager.fleets import Fleet, Manager
from tests.support.processes import MANAGER

FILE = "update-1.2.0.request.json"


class People:
    """The office has the store and one release key; Bob and Carol have one each, and no store."""

    def __init__(self, ota: Manager, fleet: Fleet, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.ota, self.office, self.directory, self.patch = ota, fleet.directory, directory, patch
        for name in ("bob", "carol"):
            (directory / name).mkdir()
            self.patch.chdir(directory / name)
            assert ota("keys", "init", f"{name}.pem", "--unencrypted", "--type", "ed25519").status == 0
            shutil.copy(f"{name}.pub", self.office)
        self.patch.chdir(self.office)
        answer = ota("keys", "add", "release", "bob.pub", "carol.pub", "--threshold", "2", "--yes")
        while "request.json" in answer.out + answer.err and "more signatures" in answer.out:
            file = next(Path().glob("root-*.request.json"))
            self.sign("bob", file.name)
            answer = ota("publish", file.name)
        assert answer.status == 0, answer.err

    def sign(self, name: str, file: str) -> str:
        """Have a person sign the file, on a machine without ota.toml, store and network."""
        there = self.directory / name
        shutil.copy(self.office / file, there)
        shutil.copy(self.office / "root.json", there)
        self.patch.chdir(there)
        done = self.ota("sign", file, "--key", f"file:{name}.pem", "--root", "root.json", "--yes")
        assert done.status == 0, done.err
        shutil.copy(there / file, self.office)
        self.patch.chdir(self.office)
        return done.out


@pytest.fixture
def people(ota: Manager, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    return People(ota, fleet, tmp_path, monkeypatch)


def listed(fleet: Fleet) -> set[str]:
    """The lists of updates in the store."""
    return {key for key in fleet.repository() if key.endswith(".targets.json")}


def test_two_of_three_release_an_update(people: People, ota: Manager, fleet: Fleet) -> None:
    before, metadata = listed(fleet), (fleet.directory / "repository/metadata/timestamp.json").read_bytes()
    started = ota.create("1.2.0", "--file", "ota.toml:a.conf", "--critical", "--json")
    assert started.status == 0, started.err
    assert started.json["published"] is False
    assert started.json["request"] == FILE
    assert started.json["missing"][0]["count"] == 1
    # Nothing leads to it: neither list nor manifest nor signature is in the store.
    assert listed(fleet) == before
    assert (fleet.directory / "repository/metadata/timestamp.json").read_bytes() == metadata
    assert not [key for key in fleet.repository() if "manifest.json" in key]
    assert fleet.rows("SELECT * FROM updates_update") == []

    early = ota("publish", FILE)
    assert early.status == 20
    assert "updates/1.2.0/manifest.json needs 1 more of the release keys" in early.err

    shown = people.sign("bob", FILE)
    assert "update 1.2.0 of healthguard, critical" in shown
    assert "mqtt-bridge: " in shown
    assert "sha256:" in shown
    assert "a.conf: sha256:" in shown
    done = ota("publish", FILE)
    assert done.status == 0, done.err
    assert "Update 1.2.0 is STAGED." in done.out
    found = ota("verify", "1.2.0", "--json").json
    assert len(found["key_ids"]) == 2
    assert json.loads(fleet.rows("SELECT key_ids FROM updates_update")[0][0]) == found["key_ids"]
    again = ota("publish", FILE)
    assert again.status == 0
    assert "from an earlier attempt" in again.err


def test_another_update_was_published_meanwhile(people: People, ota: Manager) -> None:
    assert ota.create("1.2.0").status == 0
    assert ota.create("1.3.0").status == 0
    people.sign("bob", "update-1.3.0.request.json")
    assert ota("publish", "update-1.3.0.request.json").status == 0
    people.sign("carol", FILE)
    # Its manifest keeps its signatures; the list, which has 1.3.0 now, takes one more round.
    stale = ota("publish", FILE)
    assert stale.status == 0, stale.err
    assert "something else was published since" in stale.err
    assert "targets.json: 1 more of the release keys" in stale.out
    people.sign("carol", FILE)
    assert ota("publish", FILE).status == 0
    assert {u["version"] for u in ota("list-updates", "--json").json["updates"]} == {"1.2.0", "1.3.0"}


def test_a_request_with_a_changed_manifest_counts_for_nothing(people: People, ota: Manager) -> None:
    assert ota.create("1.2.0").status == 0
    people.sign("bob", FILE)
    data = json.loads(Path(FILE).read_text())
    import base64

    raw = base64.b64decode(data["documents"][0]["payload"]).replace(b"1.2.0", b"1.2.9")
    data["documents"][0]["payload"] = base64.b64encode(raw).decode()
    Path(FILE).write_text(json.dumps(data))
    refused = ota("publish", FILE)
    assert refused.status == 20
    assert "needs 2 more of the release keys" in refused.err


def test_two_at_once_overwrite_nothing_of_each_other(fleet: Fleet, ota: Manager) -> None:
    command = [*MANAGER, "create-update", "--file", "ota.toml:a.conf", "--yes", "--version"]
    versions = ["2.0.0", "2.0.1", "2.0.2"]
    running = {
        v: subprocess.Popen([*command, v, "--allow-downgrade"], cwd=fleet.directory, stderr=subprocess.PIPE, text=True)
        for v in versions
    }
    answer = {version: process.communicate(timeout=400)[1] for version, process in running.items()}
    for version, process in running.items():  # now that nobody else publishes
        if process.returncode:
            assert "somebody else published at the same moment" in answer[version]
            assert process.returncode == 5
            assert ota("create-update", "--version", version, *command[-4:-1], "--allow-downgrade").status == 0
    assert {u["version"] for u in ota("list-updates", "--json").json["updates"]} == set(versions)
    for version in versions:
        assert ota("verify", version).status == 0
