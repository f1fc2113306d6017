"""The client of a repository: what a gateway accepts, and what it refuses, word for word."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from ota_py.errors import (
    FreshnessError,
    IntegrityError,
    NotFoundError,
    RepositoryError,
    SignatureError,
    TrustError,
)
from ota_py.trust import layout
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.keys.signers import sign_manifest
from ota_py.trust.publish.freshen import renew


def test_finds_updates_in_order_of_version(publisher, gateway):
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        publisher.publish(publisher.manifest(version, critical=version == "1.10.0"))
    found = gateway.client().updates()
    assert [(u.version, u.critical) for u in found] == [("1.2.0", False), ("1.9.0", False), ("1.10.0", True)]


def test_fetches_manifest_and_files(publisher, gateway):
    file = publisher.file("1.2.0", "config/bridge.conf", b"topic a\n")
    manifest = publisher.manifest("1.2.0", files=[file])
    publisher.publish(manifest, {file.target: b"topic a\n"})
    client = gateway.client()
    verified = client.fetch_manifest("1.2.0")
    assert verified.manifest == manifest
    assert verified.key_ids == (publisher.signers["release"].public_key.keyid,)
    assert client.fetch_file(file) == b"topic a\n"


def test_unknown_version_is_named(publisher, gateway):
    with pytest.raises(NotFoundError, match=r"the repository has no update 9\.9\.9"):
        gateway.client().fetch_manifest("9.9.9")


@pytest.mark.case("A05")
def test_a05_altered_file_is_refused(publisher, gateway):
    file = publisher.file("1.2.0", "a.conf", b"good")
    publisher.publish(publisher.manifest("1.2.0", files=[file]), {file.target: b"good"})
    publisher.store.put(layout.target_key(file.target, file.sha256), b"evil", "")
    with pytest.raises(IntegrityError, match="does not match expected hash"):
        gateway.client().fetch_file(file)


@pytest.mark.case("A01")
def test_a01_altered_manifest_is_refused_by_its_own_signature(publisher, gateway):
    raw = publisher.manifest("1.2.0").to_bytes()
    signature = sign_manifest(raw, [publisher.signers["release"]])
    altered = raw.replace(b"1.2.0", b"1.2.1")
    with pytest.raises(SignatureError, match="signed by 0 of the release keys, expected 1"):
        gateway.client().verify_local(altered, signature)


@pytest.mark.case("A01")
def test_a01_online_key_cannot_sign_a_manifest(publisher, gateway):
    raw = publisher.manifest("1.2.0").to_bytes()
    with pytest.raises(SignatureError, match="signed by 0 of the release keys, expected 1"):
        gateway.client().verify_local(raw, sign_manifest(raw, [publisher.signers["online"]]))


@pytest.mark.case("A03")
def test_a03_older_repository_is_refused_by_the_cache(publisher, gateway):
    publisher.publish(publisher.manifest("1.1.0"))
    old = publisher.store.get("metadata/timestamp.json")
    publisher.publish(publisher.manifest("1.2.0"))
    gateway.client().refresh()
    publisher.store.put("metadata/timestamp.json", old, "")
    with pytest.raises(FreshnessError, match="New timestamp version 2 must be >= 3"):
        gateway.client().refresh()


@pytest.mark.case("F16")
def test_f16_emptied_cache_does_not_let_an_older_repository_through(publisher, gateway):
    publisher.publish(publisher.manifest("1.1.0"))
    old = publisher.store.get("metadata/timestamp.json")
    publisher.publish(publisher.manifest("1.2.0"))
    gateway.client().refresh()
    floor = dict(gateway.floor)
    publisher.store.put("metadata/timestamp.json", old, "")
    shutil.rmtree(gateway.directory / "trust")
    with pytest.raises(FreshnessError, match="timestamp metadata is version 2, expected at least 3"):
        gateway.client().refresh()
    assert dict(gateway.floor) == floor


@pytest.mark.case("A04")
def test_a04_expired_metadata_is_refused(publisher, gateway):
    publisher.publish(publisher.manifest("1.1.0"), now=datetime.now(UTC) - timedelta(days=60))
    with pytest.raises(FreshnessError, match="expired"):
        gateway.client().refresh()
    renew(publisher.repository(), OnlineSigners.one(publisher.signers["online"]), datetime.now(UTC))
    assert [u.version for u in gateway.client().updates()] == ["1.1.0"]


def at(moment: datetime) -> pytest.MonkeyPatch:
    """Set the gateway's clock."""

    class Set(datetime):
        @classmethod
        def now(cls, tz=None):
            return moment.astimezone(tz)

    patch = pytest.MonkeyPatch()
    patch.setattr("ota_py.trust.fetch.client.datetime", Set)
    return patch


@pytest.mark.case("F34")
@pytest.mark.parametrize("year", [1970, 2025])
def test_f34_a_clock_that_fell_back_lets_nothing_expired_through(publisher, gateway, year):
    publisher.publish(publisher.manifest("1.1.0"))
    gateway.client().refresh()
    publisher.publish(publisher.manifest("1.2.0"), now=datetime.now(UTC) - timedelta(days=60))
    patch = at(datetime(year, 1, 1, tzinfo=UTC))
    with pytest.raises(FreshnessError, match="expired"):
        gateway.client().refresh()
    renew(publisher.repository(), OnlineSigners.one(publisher.signers["online"]), datetime.now(UTC))
    assert [u.version for u in gateway.client().updates()] == ["1.1.0", "1.2.0"], "what is fresh goes on"
    patch.undo()


@pytest.mark.case("F34")
def test_f34_a_clock_far_ahead_refuses_and_is_forgotten_once_it_is_right(publisher, gateway):
    publisher.publish(publisher.manifest("1.1.0"))
    patch = at(datetime(2040, 1, 1, tzinfo=UTC))
    with pytest.raises(FreshnessError, match="expired") as caught:
        gateway.client().refresh()
    assert caught.value.hint.startswith("check this gateway's clock")
    patch.undo()
    assert [u.version for u in gateway.client().updates()] == ["1.1.0"]


@pytest.mark.case("F34")
def test_f34_before_anything_was_seen_the_clock_is_not_before_this_software(publisher, gateway):
    old = datetime(2025, 6, 1, tzinfo=UTC)
    publisher.publish(publisher.manifest("1.1.0"), now=old)
    patch = at(old)
    with pytest.raises(FreshnessError, match="expired"):
        gateway.client().refresh()
    patch.undo()


@pytest.mark.case("A06")
def test_a06_oversized_timestamp_is_cut_off(publisher, gateway):
    publisher.store.put("metadata/timestamp.json", b"x" * 20_000, "")
    with pytest.raises(RepositoryError, match="cannot fetch"):
        gateway.client().refresh()


@pytest.mark.case("A08")
def test_a08_weak_root_is_refused(publisher, gateway, tmp_path):
    data = json.loads(publisher.root)
    key = next(iter(data["signed"]["keys"].values()))
    key["scheme"] = "rsa-pkcs1v15-sha256"
    (gateway.directory / "root.json").write_text(json.dumps(data))
    with pytest.raises(TrustError, match="expected 'rsassa-pss-sha256'"):
        gateway.client()


@pytest.mark.case("F21")
def test_f21_unreachable_repository_says_so(publisher, gateway):
    gateway.url = "http://127.0.0.1:9"
    with pytest.raises(RepositoryError, match="cannot fetch from the repository") as caught:
        gateway.client().refresh()
    assert "nothing was changed" in caught.value.hint


def test_repository_in_a_directory_works_by_url(publisher, gateway):
    publisher.publish(publisher.manifest("1.1.0"))
    gateway.url = publisher.store.url
    assert gateway.client().fetch_manifest("1.1.0").manifest.version == "1.1.0"


def test_verify_local_needs_no_network_and_no_cache(publisher, gateway):
    gateway.url = "http://127.0.0.1:9"
    raw = publisher.manifest("1.2.0").to_bytes()
    signature = sign_manifest(raw, [publisher.signers["release"]])
    assert gateway.client().verify_local(raw, signature).manifest.version == "1.2.0"
