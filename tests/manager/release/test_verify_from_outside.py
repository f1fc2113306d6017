"""The chain of trust by `verify --root --url`, with nothing but a root.json and a URL."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ota_py.manager.config.secrets import Passphrases
from ota_py.manager.context import CommandContext
from ota_py.manager.release.release import Keys
from ota_py.trust.documents import metadata
from ota_py.trust.publish.freshen import renew
from tests.support.manager.fleets import Fleet, Manager


@pytest.fixture
def outside(fleet: Fleet, ota: Manager, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A stranger with a root.json of the fleet's first day; the update came after a change of root."""
    (tmp_path / "outside").mkdir()
    shutil.copy(fleet.directory / "root.json", tmp_path / "outside")
    assert ota("keys", "renew", "--yes").status == 0
    for name, text in (("a.spdx", '{"spdxVersion": "SPDX-2.3"}'), ("b.cdx", '{"bomFormat": "CycloneDX"}')):
        (fleet.directory / name).write_text(text)
    sboms = ("--sbom", "mqtt-bridge=a.spdx", "--sbom", "b.cdx")
    hook = '[{"at": "before-stop", "service": "mqtt-bridge", "command": ["/drain"]}]'
    made = ota.create("1.2.0", "--file", "ota.toml:a.conf", "--hooks", hook, *sboms)
    assert made.status == 0, made.err
    monkeypatch.chdir(tmp_path / "outside")
    url = (fleet.directory / "repository").as_uri()
    return lambda *more: ota("verify", "1.2.0", "--root", "root.json", "--url", url, *more)


def test_the_chain_is_shown_from_the_trusted_root_to_the_parts(outside, registry: str) -> None:
    answer = outside("--insecure-registry", registry)
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    order = [
        "1.root.json",
        "2.root.json",
        "timestamp.json",
        "snapshot.json",
        "targets.json",
        "manifest.json of",
    ]
    places = [next(i for i, line in enumerate(lines) if f"ok {name}" in line) for name in order]
    assert places == sorted(places)
    assert "1 of 1 keys signed, 1 must" in answer.out
    assert "\x1b[" not in answer.out
    assert "  before-stop, mqtt-bridge: /drain" in lines
    assert lines[-1] == "Update 1.2.0 is what the release keys signed."
    shown = outside("--insecure-registry", registry, "--json").json
    assert [part["state"] for part in shown["parts"]] == ["checked"] * 4
    assert shown["chain"][-1]["signers"] == shown["key_ids"]


def test_a_registry_that_cannot_be_reached_is_said(outside) -> None:
    assert "(not reachable from here)" in outside().out


def test_a_changed_file_is_found(outside, fleet: Fleet) -> None:
    file = next((fleet.directory / "repository").rglob("*.a.conf"))
    file.write_bytes(bytes(len(file.read_bytes())))
    assert outside().status == 20


def test_what_is_not_published_is_said_beside_what_is(outside, fleet: Fleet, ota: Manager) -> None:
    url = (fleet.directory / "repository").as_uri()
    for refused in (
        ota("verify", "9.9.9", "--root", "root.json", "--url", url),
        ota("--config", str(fleet.config), "verify", "9.9.9"),
    ):
        assert (refused.status, "hint: the newest there: 1.2.0" in refused.err) == (6, True), refused.err


def test_a_refusal_tells_a_person_what_to_do_and_not_a_gateway(outside, fleet: Fleet, ota: Manager) -> None:
    no_root = ota("verify", "1.2.0", "--root", "none.json", "--url", "file:///x")
    assert (no_root.status, "hint: --root names a root.json that you trust" in no_root.err) == (3, True)
    nowhere = ota("verify", "1.2.0", "--root", "root.json", "--url", "http://127.0.0.1:1/ota")
    assert (nowhere.status, "hint: check --url, below which" in nowhere.err) == (10, True), nowhere.err
    parts = CommandContext(str(fleet.config))
    online = Keys(parts.config.keys, Passphrases()).online(parts.repository)
    renew(parts.repository, online, datetime.now(UTC) - timedelta(days=30))
    late = outside()
    assert late.status == 20
    assert "the repository's metadata has expired" in late.err
    assert "hint: check this machine's clock; if it is right, the fleet's operator must run" in late.err


def test_both_are_needed(ota: Manager) -> None:
    assert "--root and --url belong together" in ota("verify", "1.2.0", "--url", "file:///x").err


def test_who_must_sign_is_said_well_before_it_is_too_late(
    fleet: Fleet, ota: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = ota("renew", "--check")
    assert fresh.status == 0, fresh.err
    # Everything is signed 61 days ago, as it were: of the 90 days of the list, a third is left.
    fleet.config.write_text(fleet.config.read_text() + "\n[expiry]\nrelease = 29\n")
    assert ota("renew", "--release").status == 0
    fleet.change("release = 29", "release = 90")
    listed = ota("keys", "list").out
    late = ota("renew", "--check", "--json")
    assert late.status == 43
    states = {each["role"]: each["state"] for each in late.json["roles"]}
    assert states == {"root": "fresh", "release": "expiring", "snapshot": "fresh", "timestamp": "fresh"}
    assert "the holder of a release key (" in late.json["error"]["hint"]
    assert "ota_manager.py renew --release" in late.json["error"]["hint"]
    # `keys list` says the same, in the same words.
    shown = {role: each["freshness"] for role, each in ota("keys", "list", "--json").json["roles"].items()}
    assert [shown[each["role"]] for each in late.json["roles"]] == late.json["roles"]
    assert (shown["release"]["version"], shown["release"]["days_left"]) == (2, 28)
    assert "  version 2: expiring, until " in listed
    assert ", 28 days left\n    the holder of a release key (" in listed
    assert "  version 2: fresh, until " in listed
    assert late.json["error"]["message"].endswith(", 28 days left")
    assert ota("renew", "--release").status == 0
    assert ota("renew", "--check").status == 0
    answer = ota("renew", "--check", "--json").json["roles"]
    release = next(each for each in answer if each["role"] == "release")
    left = datetime.fromisoformat(release["expires"]) - datetime.now(UTC)
    assert left > timedelta(days=metadata.LIFETIMES.release - 1)


def test_sboms_are_signed_and_shown(outside, fleet: Fleet, ota: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "sbom mqtt-bridge (spdx) sha256:" in outside().out
    monkeypatch.chdir(fleet.directory)
    assert "SBOM of the update: cyclonedx sha256:" in ota("verify", "1.2.0").out
    listed = ota("list-updates", "--json").json["updates"][0]
    assert [each["format"] for each in listed["sbom"]] == ["spdx", "cyclonedx"]
    assert len(listed["key_ids"]) == 1
    changed = next((fleet.directory / "repository").rglob("*.update.json"))
    changed.write_bytes(bytes(changed.stat().st_size))
    monkeypatch.chdir(fleet.directory.parent / "outside")
    assert outside().status == 20


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("ota.toml", "the SBOM ota.toml is not valid JSON"),
        ("none.json", "cannot read the SBOM none.json: No such file"),
        ("nobody=s.json", "the update has no image of nobody"),
        ("s.json", "s.json is neither SPDX nor CycloneDX in JSON"),
    ],
)
def test_what_is_no_sbom_is_refused(fleet: Fleet, ota: Manager, option: str, message: str) -> None:
    (fleet.directory / "s.json").write_text("{}")
    before = fleet.state()
    refused = ota.create("1.2.0", "--sbom", option)
    assert refused.status == 2
    assert message in refused.err
    assert fleet.state() == before
