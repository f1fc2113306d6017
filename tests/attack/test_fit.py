"""Genuine updates that are not for this gateway, on every way in which one can come (A09, A20, A22, A24)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ota_py.errors import IncompatibleError, IntegrityError, ManifestError, SignatureError
from ota_py.gateway.fetch import compatibility, sources
from ota_py.gateway.journal.journal import Journal
from ota_py.manifest import Compatibility
from ota_py.trust.keys.signers import sign_manifest
from tests.support.gateway.attacked import Box, ansible

OTHERS = [
    ({"fleet": "elsewhere"}, "update 1.3.0 is for the fleet 'elsewhere', this gateway is of 'healthguard'"),
    ({"groups": ["denver"]}, "update 1.3.0 is for the groups denver, this gateway is in boston"),
    ({"hardware": ["pi-3"]}, "update 1.3.0 is for the hardware pi-3, this gateway has rpi4"),
    ({"architectures": ["arm"]}, "update 1.3.0 is for the architecture arm, this gateway has "),
    ({"min_version": "1.2.0"}, "update 1.3.0 needs at least version 1.2.0, this gateway runs 1.1.0"),
    ({"max_version": "1.0.9"}, "update 1.3.0 is for versions up to 1.0.9, this gateway runs 1.1.0"),
]


def publish(box: Box, version: str, **fields: Any) -> None:
    """Publish an update with a file, so that there is something to fetch."""
    file = box.publisher.file(version, "config/bridge.conf", b"topic b\n")
    fleet = {"fleet": fields.pop("fleet")} if "fleet" in fields else {}
    manifest = box.publisher.manifest(version, files=[file], compatibility=Compatibility(**fields), **fleet)
    box.publisher.publish(manifest, {file.target: b"topic b\n"})


@pytest.mark.case("A09")
@pytest.mark.parametrize(("fields", "words"), OTHERS, ids=[next(iter(fields)) for fields, _ in OTHERS])
def test_an_update_for_others_is_refused_before_anything_is_fetched(
    box: Box, fields: dict[str, Any], words: str
) -> None:
    """The engine itself refuses it, which every command calls."""
    publish(box, "1.3.0", **fields)
    box.look()
    box.mirror.requests.clear()
    before = box.state()
    with Journal(box.config) as journal:
        result = update(box, journal, "1.3.0")
    assert result["outcome"] == "FAILED"
    assert result["reason"].startswith(words)
    assert box.mirror.targets_requested() == ["manifest.json", "manifest.json.sig"]
    assert box.state() == before


def update(box: Box, journal: Journal, version: str) -> dict[str, Any]:
    from ota_py.gateway.transaction.engine import Engine

    trust = sources.trust_client(box.config, journal)
    source = sources.from_repository(trust, version)
    return dict(Engine(box.config, journal).update(source.verified, source.fetch))


@pytest.mark.case("A09")
@pytest.mark.parametrize("words", [("verify",), ("update",)], ids=["verify", "update"])
def test_a_downgrade_without_leave_by_command(box: Box, words: tuple[str, ...]) -> None:
    publish(box, "1.0.0")
    box.look()
    box.mirror.requests.clear()
    before = box.state()
    status, answer = box.command(*words, "--version", "1.0.0")
    assert status == IncompatibleError.exit_status
    assert answer["error"]["message"] == "update 1.0.0 is older than the installed 1.1.0"
    assert box.mirror.targets_requested() == ["manifest.json", "manifest.json.sig"]
    assert box.state() == before


@pytest.mark.case("A09")
def test_a_downgrade_with_leave_is_one_that_the_release_key_signed(box: Box) -> None:
    """The flag stands inside the manifest: nobody who only carries it can set it."""
    publish(box, "1.0.0", allow_downgrade=True)
    verified = box.look(lambda client: client.fetch_manifest("1.0.0"))
    compatibility.check(verified.manifest, box.config, "1.1.0", {})
    raw = box.publisher.manifest("1.0.0").to_bytes()
    forged = raw.replace(b'"allow_downgrade": false', b'"allow_downgrade": true')
    assert forged != raw
    signature = sign_manifest(raw, [box.publisher.signers["release"]])
    box.refuses(
        SignatureError,
        "manifest is signed by 0 of the release keys, expected 1",
        lambda client: client.verify_local(forged, signature),
    )


@pytest.mark.case("A09")
def test_steps_that_must_not_be_left_out_are_taken_in_turn(box: Box) -> None:
    """Required intermediate versions: each later update names the oldest version that it can follow."""
    publish(box, "1.3.0")
    publish(box, "1.4.0", min_version="1.3.0")
    publish(box, "2.0.0", min_version="1.4.0")
    installed, taken = "1.1.0", []
    with Journal(box.config) as journal:
        trust = sources.trust_client(box.config, journal)
        while True:
            with journal.write("test") as connection:
                journal._set_installed(connection, installed)
            found = sources.newest(trust, box.config, journal)
            if found is None:
                break
            installed = found.verified.manifest.version
            taken.append(installed)
            trust = sources.trust_client(box.config, journal)
    assert taken == ["1.3.0", "1.4.0", "2.0.0"]


# -- the manifest's own signature, on each way ------------------------------------


@pytest.mark.case("A01", "A20")
def test_the_network_cannot_bring_a_manifest_without_its_own_signature(box: Box) -> None:
    """It is listed in genuine targets metadata, with a signature file by another key."""
    raw = box.publisher.manifest("1.3.0").to_bytes()
    box.publish_raw("1.3.0", raw, sign_manifest(raw, [box.publisher.signers["online"]]))
    box.look()
    before = box.state()
    status, answer = box.command("update", "--version", "1.3.0")
    assert (status, answer["error"]["code"]) == (20, "signature")
    assert answer["error"]["message"] == "manifest is signed by 0 of the release keys, expected 1"
    assert box.state() == before


@pytest.mark.case("A01", "A20")
def test_a_bundle_cannot_bring_a_manifest_without_its_own_signature(box: Box) -> None:
    from ota_py import bundle

    raw = box.publisher.manifest("1.3.0").to_bytes()
    signature = sign_manifest(raw, [box.publisher.signers["online"]])
    box.publish_raw("1.3.0", raw, signature)
    instead = box.mirror.instead
    metadata = {name: data for name, data in instead.items() if name.startswith("metadata/")}
    metadata["metadata/1.root.json"] = box.publisher.root
    blobs = {
        bundle.BLOBS + name.rpartition("/")[2].partition(".")[0]: data
        for name, data in instead.items()
        if name.startswith("targets/")
    }
    path = box.directory / "update.bundle"
    with open(path, "wb") as file:
        header = bundle.header("1.3.0")
        members = {bundle.HEADER_NAME: header, **metadata, **blobs}
        for name, data in members.items():
            assert isinstance(data, bytes)
            bundle.write_member(file, name, len(data), iter([data]))
        bundle.write_end(file)
    box.look()
    words = "manifest is signed by 0 of the release keys, expected 1"
    box.refuses(SignatureError, words, lambda _: from_bundle(box, path))


def from_bundle(box: Box, path: Path) -> None:
    with Journal(box.config) as journal:
        sources.from_bundle(box.config, journal, path)


@pytest.mark.case("A01", "A20")
def test_a_file_by_hand_needs_the_release_keys_signature(box: Box) -> None:
    raw = box.publisher.manifest("1.3.0").to_bytes()
    path = box.stick(raw, sign_manifest(raw, [box.publisher.signers["online"]]))
    before = box.state()
    status, answer = box.command("update", "--manifest", str(path))
    assert (status, answer["error"]["code"]) == (20, "signature")
    assert answer["error"]["message"] == "manifest is signed by 0 of the release keys, expected 1"
    assert box.state() == before
    assert box.mirror.requests == []


@pytest.mark.case("A01", "A20")
def test_ansible_cannot_bring_a_manifest_without_its_own_signature(box: Box) -> None:
    """The module runs the gateway's own engine, which trusts the controller no more than anybody else."""
    raw = box.publisher.manifest("1.3.0").to_bytes()
    path = box.stick(raw, sign_manifest(raw, [box.publisher.signers["online"]]))
    before = box.state()
    status, answer = ansible(box, path)
    assert status == 2, answer
    assert "code: signature" in answer
    assert "msg: manifest is signed by 0 of the release keys, expected 1" in answer
    assert box.state() == before


@pytest.mark.case("A20")
def test_what_is_swapped_after_it_was_verified_is_not_what_is_used(box: Box) -> None:
    """The verified copy is private: manifest, signature and file on the stick change under its hands."""
    file = box.publisher.file("1.3.0", "config/bridge.conf", b"topic c\n")
    raw = box.publisher.manifest("1.3.0", files=[file]).to_bytes()
    path = box.stick(raw)
    beside = path.parent / "files" / "config" / "bridge.conf"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(b"topic c\n")
    before = box.state()
    with Journal(box.config) as journal:
        source = sources.from_file(sources.trust_client(box.config, journal), path)
        got = source.fetch(file)
        path.write_bytes(b"swapped")
        path.with_name("manifest.json.sig").write_bytes(b"swapped")
        beside.write_bytes(b"topic x\n")
        assert source.verified.raw == raw
        assert got == b"topic c\n"
        with pytest.raises(IntegrityError, match=r"file config/bridge\.conf has sha256 .*, expected "):
            source.fetch(file)
    assert box.state() == before
    staging = box.config.updates_dir / "1.3.0"
    with Journal(box.config) as journal:
        from ota_py.gateway.transaction.engine import Engine

        kept = Engine(box.config, journal).context.staging("1.3.0")
        kept.store_manifest(source.verified.raw, source.verified.signature)
    assert kept.manifest.parent == staging
    assert kept.manifest.read_bytes() == raw
    assert {p.stat().st_mode & 0o077 for p in (kept.manifest, kept.manifest.with_name("manifest.json.sig"))} == {0}


# -- signed nonsense -----------------------------------------------

DIGEST = '"sha256:' + "a" * 64 + '"'


def document(**changes: str) -> bytes:
    """A manifest as text, so that what is wrong with it is exactly what stands there."""
    fields = {
        "created": '"2026-01-01T00:00:00Z"',
        "fleet": '"healthguard"',
        "images": f'{{"app": {{"digest": {DIGEST}, "reference": "r/a:1", "size": 1}}}}',
        "version": '"1.3.0"',
        **changes,
    }
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}").encode()


@pytest.mark.case("A24", "A22")
@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "manifest is not valid JSON"),
        (b"[" * 100_000, "manifest is nested too deeply"),
        (document(description="[" * 400 + "]" * 400), "description: Input should be a valid string"),
        (document(version='"1.3.0", "version": "1.4.0"'), "the key 'version' stands twice"),
        (document(timeout_minutes="NaN"), "NaN is not JSON"),
        (document(timeout_minutes="1e999"), "timeout_minutes: Input should be less than or equal to 1440"),
        (document(timeout_minutes="9" * 5000), "manifest is not valid"),
        (document(description='"\\ud800"'), "surrogates not allowed"),
        (document(fleet='"health\\u0000guard"'), "fleet: String should match pattern"),
        (document(description='"' + "x" * 2001 + '"'), "description: String should have at most 2000"),
        (document(images='{"app": {"reference": "r/a:1", "size": 1}}'), "images.app.digest: Field required"),
        (document(images='{"app": "r/a:1"}'), "images.app: Input should be a valid dictionary"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value)[:24],
)
def test_a_signed_manifest_that_makes_no_sense(box: Box, raw: bytes, words: str) -> None:
    """From the network and by hand alike; the signature holds, and it is refused all the same."""
    signature = sign_manifest(raw, [box.publisher.signers["release"]])
    box.refuses(ManifestError, words, lambda client: client.verify_local(raw, signature))
    box.publish_raw("1.3.0", raw)
    box.look()
    box.refuses(ManifestError, words, lambda client: client.fetch_manifest("1.3.0"))


@pytest.mark.case("A24")
def test_a_signed_manifest_that_makes_no_sense_by_command(box: Box) -> None:
    path = box.stick(document(surprise="1"))
    before = box.state()
    status, answer = box.command("update", "--manifest", str(path))
    assert (status, answer["error"]["code"]) == (20, "manifest")
    assert answer["error"]["message"] == "manifest is not valid: surprise: Extra inputs are not permitted"
    assert box.state() == before
    assert json.loads(json.dumps(answer)) == answer
