"""The journaled floor: it follows a change of keys, and nothing else lowers it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from tuf.api.metadata import Metadata

from ota_py.errors import FreshnessError
from ota_py.trust import layout
from ota_py.trust.documents.metadata import JSON, LIFETIMES, OnlineSigners
from ota_py.trust.documents.root_change import ONLINE, RoleKeys, next_root, payload_of
from ota_py.trust.documents.signatures import Signing
from ota_py.trust.documents.signing_request import SignedDocument, SigningRequest
from ota_py.trust.keys.key_files import generate_key
from ota_py.trust.keys.signers import load_signer, sign_manifest
from ota_py.trust.publish.root import publish_root
from ota_py.trust.verify import METADATA_VERSION_MAX, parse_root
from tests.support.trust.online import online_metadata


def online_key(directory, name):
    path = directory / f"{name}.pem"
    return load_signer(f"file:{path}", generate_key(path, None, "ed25519"), str)


def change_online(publisher, keys, signer=None):
    """Publish a signed change of the online keys."""
    before = parse_root(publisher.root)
    now = datetime.now(UTC)
    after = next_root(before, dict.fromkeys(ONLINE, RoleKeys(tuple(keys), 1)), LIFETIMES.until("root", now))
    document = SignedDocument(f"{after.version}.root.json", "root", payload_of(after))
    request = SigningRequest("root", "test", publisher.root, (document,))
    signed = Signing(request).signed_by([publisher.signers["root"]])
    publisher.root = publish_root(
        publisher.store, signed, OnlineSigners.one(signer) if signer else OnlineSigners(), now
    )


def timestamp(publisher, version, signer):
    """Snapshot and timestamp of a version, signed by one key."""
    targets = publisher.store.get("metadata/1.targets.json")
    made = online_metadata(1, targets, (version, version), signer)
    publisher.store.put(f"metadata/{version}.snapshot.json", made[0], JSON)
    publisher.store.put(layout.TIMESTAMP, made[1], JSON)


def forget(gateway):
    """Lose the cache, so that only the floor is left."""
    shutil.rmtree(gateway.directory / "trust")


def test_a_new_key_begins_anew_and_then_never_goes_back(publisher, gateway, tmp_path):
    old = publisher.signers["online"]
    timestamp(publisher, METADATA_VERSION_MAX, old)
    gateway.client().refresh()
    new = online_key(tmp_path, "new")
    change_online(publisher, [new.public_key], new)
    gateway.client().refresh()
    timestamp(publisher, 7, new)
    gateway.client().refresh()
    forget(gateway)
    timestamp(publisher, 6, new)
    with pytest.raises(FreshnessError, match="timestamp metadata is version 6, expected at least 7"):
        gateway.client().refresh()


def test_a_key_that_joins_lowers_nothing(publisher, gateway, tmp_path):
    old, new = publisher.signers["online"], online_key(tmp_path, "new")
    timestamp(publisher, 9, old)
    gateway.client().refresh()
    change_online(publisher, [old.public_key, new.public_key])
    gateway.client().refresh()
    forget(gateway)
    timestamp(publisher, 8, old)
    with pytest.raises(FreshnessError, match="timestamp metadata is version 8, expected at least 9"):
        gateway.client().refresh()


def test_one_of_two_keys_is_stolen_and_the_other_goes_on(publisher, gateway, tmp_path):
    stolen, kept, new = publisher.signers["online"], online_key(tmp_path, "kept"), online_key(tmp_path, "new")
    change_online(publisher, [stolen.public_key, kept.public_key])
    timestamp(publisher, 5, kept)
    gateway.client().refresh()
    timestamp(publisher, METADATA_VERSION_MAX, stolen)
    gateway.client().refresh()
    change_online(publisher, [kept.public_key, new.public_key], kept)
    timestamp(publisher, 6, kept)
    gateway.client().refresh()
    assert gateway.floor[f"timestamp:{kept.public_key.keyid}"] == 6


def test_a_version_beyond_all_reason_is_refused_and_not_remembered(publisher, gateway, monkeypatch):
    monkeypatch.setattr("ota_py.trust.documents.metadata.METADATA_VERSION_MAX", 10**30)
    timestamp(publisher, 10**25, publisher.signers["online"])
    floor = dict(gateway.floor)
    with pytest.raises(FreshnessError, match=f"expected at most {METADATA_VERSION_MAX}"):
        gateway.client().refresh()
    assert dict(gateway.floor) == floor


def test_a_revoked_release_key_does_not_come_back_with_the_cache_gone(publisher, gateway, tmp_path):
    gateway.client().refresh()
    new = online_key(tmp_path, "new")
    change_online(publisher, [new.public_key], new)
    gateway.client().refresh()
    forget(gateway)
    raw = publisher.manifest("1.2.0").to_bytes()
    signature = sign_manifest(raw, [publisher.signers["release"]])
    with pytest.raises(FreshnessError, match="root metadata is version 1, expected at least 2"):
        gateway.client().verify_local(raw, signature)
    client = gateway.client()
    client.refresh()
    assert client.verify_local(raw, signature).manifest.version == "1.2.0"
    assert Metadata.from_bytes(publisher.root).signed.expires > datetime.now(UTC) + timedelta(days=300)
