"""Bytes that are not what was signed, too many of them, or with names that lead elsewhere (A05, A06, A07)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tuf.api.metadata import DelegatedRole, Delegations, Snapshot, Targets, Timestamp

from ota_py.errors import (
    FreshnessError,
    IntegrityError,
    ManifestError,
    OtaError,
    RepositoryError,
    TrustError,
    UsageError,
)
from ota_py.manifest import MANIFEST_MAX_BYTES
from ota_py.trust import layout
from ota_py.trust.fetch.client import TrustClient
from tests.support.gateway.attacked import Box, files_of

NEW_TIMESTAMP = {"metadata/timestamp.json"}


@pytest.mark.case("A05")
@pytest.mark.parametrize("longer", [b"", b"x"], ids=["hash", "length"])
def test_a_snapshot_that_is_not_the_timestamps(box: Box, longer: bytes) -> None:
    box.forger.serve_snapshot(box.forger.forge("snapshot", lambda s: setattr(s, "version", 4), "online"))
    name = "metadata/4.snapshot.json"
    honest = box.mirror.instead[name]
    assert isinstance(honest, bytes)
    box.mirror.instead[name] = honest.replace(b"2", b"3", 1) + longer
    if longer:  # cut off where the signed length ends
        words = f"Downloaded {len(honest) + 1} bytes exceeding the maximum allowed length of {len(honest)}"
        box.refuses(RepositoryError, words, kept=NEW_TIMESTAMP)
    else:
        box.refuses(IntegrityError, "does not match expected hash", kept=NEW_TIMESTAMP)
    box.heals()


@pytest.mark.case("A05")
def test_a_snapshot_of_another_version_than_the_timestamp_says(box: Box) -> None:
    box.forger.serve_snapshot(box.forger.forge("snapshot", lambda s: setattr(s, "version", 9), "online"), version=4)
    error = box.refuses(FreshnessError, "Expected snapshot version 4, got 9", kept=NEW_TIMESTAMP)
    assert error.exit_status == 20


@pytest.mark.case("A05")
@pytest.mark.parametrize("role", ["root", "timestamp"])
def test_metadata_of_another_type(box: Box, role: str) -> None:
    """Genuine and signed, but it is something else."""
    name = "2.root" if role == "root" else role
    box.mirror.instead[f"metadata/{name}.json"] = box.publisher.store.get("metadata/3.snapshot.json")
    box.refuses(TrustError, f"Expected '{role}', got 'snapshot'")
    box.heals()


@pytest.mark.case("A05")
def test_the_list_of_updates_is_missing_from_the_snapshot(box: Box) -> None:
    def drop(snapshot: Snapshot) -> None:
        snapshot.version += 1
        snapshot.meta = {}

    box.forger.serve_snapshot(box.forger.forge("snapshot", drop, "online"))
    box.refuses(TrustError, "New snapshot is missing info for 'targets.json'", kept=NEW_TIMESTAMP)
    box.heals()


@pytest.mark.case("A05", "A20")
@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"topic b\n", IntegrityError, "does not match expected hash"),
        (b"topic a\nx", RepositoryError, "exceeding the maximum allowed length of 8"),
        (b"topic", IntegrityError, "does not match expected length 8"),
    ],
    ids=["altered", "longer", "shorter"],
)
def test_a_file_that_is_not_the_one_that_was_signed(box: Box, data: bytes, kind: type[OtaError], words: str) -> None:
    file = box.publisher.file("1.2.0", "config/bridge.conf", b"topic a\n")
    box.mirror.instead[layout.target_key(file.target, file.sha256)] = data
    box.refuses(kind, words, lambda client: client.fetch_file(file))


# -- too much ---------------------------------------------------------------------------------------------


@pytest.mark.case("A06")
@pytest.mark.parametrize(("role", "limit"), [("root", 512_000), ("timestamp", 16_384)])
def test_metadata_without_an_end(box: Box, role: str, limit: int) -> None:
    name = "2.root" if role == "root" else role
    box.mirror.instead[f"metadata/{name}.json"] = b" " * (limit + 1)
    box.refuses(RepositoryError, f"exceeding the maximum allowed length of {limit}")
    box.heals()


@pytest.mark.case("A06")
def test_a_stolen_online_key_cannot_raise_the_limit_of_a_snapshot(box: Box) -> None:
    """The timestamp states a length, and python-tuf would take as many bytes, to disk and to memory."""

    def enormous(timestamp: Timestamp) -> None:
        timestamp.snapshot_meta.version += 1
        timestamp.snapshot_meta.length = 10**12

    box.forger.serve_timestamp(enormous, "online")
    box.mirror.instead["metadata/4.snapshot.json"] = b" " * 2_100_000
    box.refuses(RepositoryError, "exceeding the maximum allowed length of 2000000", kept=NEW_TIMESTAMP)


@pytest.mark.case("A06")
def test_a_stolen_online_key_cannot_raise_the_limit_of_the_list_of_updates(box: Box) -> None:
    def enormous(snapshot: Snapshot) -> None:
        snapshot.version += 1
        snapshot.meta["targets.json"].version += 1
        snapshot.meta["targets.json"].length = 10**12

    box.forger.serve_snapshot(box.forger.forge("snapshot", enormous, "online"))
    box.mirror.instead["metadata/4.targets.json"] = b" " * 5_100_000
    kept = NEW_TIMESTAMP | {"metadata/snapshot.json"}
    box.refuses(RepositoryError, "exceeding the maximum allowed length of 5000000", kept=kept)


@pytest.mark.case("A06")
def test_a_manifest_that_is_too_large(box: Box) -> None:
    """Listed and signed; it is refused before a byte of it is fetched."""
    box.publish_raw("1.3.0", b" " * (MANIFEST_MAX_BYTES + 1))
    box.look()
    box.mirror.requests.clear()
    words = f"manifest.json has {MANIFEST_MAX_BYTES + 1} bytes, the limit is {MANIFEST_MAX_BYTES}"
    box.refuses(IntegrityError, words, lambda client: client.fetch_manifest("1.3.0"))
    assert box.mirror.targets_requested() == []


# -- names --------------------------------------------------------------------------------------------------

OUTSIDE = "../../../outside"


@pytest.mark.case("A07")
def test_a_delegation_to_a_name_that_leads_elsewhere(box: Box) -> None:
    """Nothing is delegated in our repositories: such roles are neither fetched nor written anywhere."""

    def delegate(targets: Targets) -> None:
        key = box.forger.signers["stranger"].public_key
        role = DelegatedRole(OUTSIDE, [key.keyid], 1, terminating=False, paths=["*", "updates/9.9.9/*"])
        targets.delegations = Delegations({key.keyid: key}, {OUTSIDE: role})

    box.forger.release(delegate)
    before = files_of(box)
    assert [u.version for u in box.look(TrustClient.updates)] == ["1.1.0", "1.2.0"]
    assert not [path for path in box.mirror.requests if "outside" in path]
    assert files_of(box) == before


@pytest.mark.case("A07")
@pytest.mark.parametrize("version", [OUTSIDE, "..", 5, ["1.3.0"], {"a": 1}, ""])
def test_an_update_whose_version_is_a_path(box: Box, version: Any) -> None:
    def name(targets: Targets) -> None:
        entry = targets.targets[layout.manifest_path("1.2.0")]
        entry.unrecognized_fields["custom"] = {"version": version}

    box.forger.release(name)
    box.look()
    before = files_of(box)
    words = "the repository lists updates/1.2.0/manifest.json with a version that is none"
    box.refuses(TrustError, words, TrustClient.updates)
    assert files_of(box) == before


@pytest.mark.case("A07")
@pytest.mark.parametrize("custom", ["text", 7, ["version"]])
def test_a_target_whose_description_is_no_object(box: Box, custom: Any) -> None:
    def name(targets: Targets) -> None:
        targets.targets[layout.manifest_path("1.2.0")].unrecognized_fields["custom"] = custom

    box.forger.release(name)
    box.look()
    box.refuses(TrustError, "with a version that is none", TrustClient.updates)


@pytest.mark.case("A07")
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("dest", OUTSIDE, "is not a plain relative path"),
        ("dest", "/etc/cron.d/x", "is not a plain relative path"),
        ("dest", "ota/gateway.toml", "lies in the updater's own directory"),
        ("target", "../../metadata/root.json", "is not a plain relative path"),
    ],
)
def test_a_signed_manifest_with_a_name_that_leads_elsewhere(box: Box, field: str, value: str, words: str) -> None:
    """Even the release key cannot write outside the project."""
    file = box.publisher.file("1.3.0", "config/x", b"x")
    document = json.loads(box.publisher.manifest("1.3.0", files=[file]).to_bytes())
    document["files"][0][field] = value
    box.publish_raw("1.3.0", json.dumps(document).encode())
    box.look()
    before = files_of(box)
    box.refuses(ManifestError, words, lambda client: client.fetch_manifest("1.3.0"))
    assert files_of(box) == before


@pytest.mark.case("A07")
def test_a_version_that_leads_elsewhere_by_command(box: Box) -> None:
    before = box.state()
    status, answer = box.command("update", "--version", OUTSIDE)
    assert status == UsageError.exit_status
    assert "is not a semantic version" in answer["error"]["message"]
    assert box.state() == before
    assert box.mirror.requests == []
