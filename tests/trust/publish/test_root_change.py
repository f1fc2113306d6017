"""Changes of root: refusals, the order of publishing, and what a failure half-way leaves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tuf.api.metadata import Metadata

from ota_py.errors import (
    ConflictError,
    KeyFileError,
    OtaError,
    SignatureError,
    StoreError,
    TrustError,
    UsageError,
)
from ota_py.manager.rootchange.change import roles_of
from ota_py.manager.rootchange.plan import plan
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.documents.root_change import (
    RoleKeys,
    next_root,
    payload_of,
    role_keys,
    with_key,
    without_key,
)
from ota_py.trust.documents.signatures import Signing
from ota_py.trust.documents.signing_request import SignedDocument, SigningRequest
from ota_py.trust.keys.key_files import generate_key
from ota_py.trust.keys.signers import load_signer
from ota_py.trust.publish.root import publish_root
from ota_py.trust.repository.root_chain import newest_root
from ota_py.trust.verify import parse_root

NOW = datetime.now(UTC)
# Between the new root and the new timestamp.
WAITS = "timestamp was signed by 0/1 keys"


@pytest.fixture
def person(tmp_path):
    """Make a key for a person, and open it."""

    def make(name: str, kind: str = "ed25519"):
        path = tmp_path / f"{name}.pem"
        return load_signer(f"file:{path}", generate_key(path, None, kind), str)

    return make


def prepare(publisher, changes, resign=("all",)):
    return plan(publisher.store, publisher.root, "healthguard", changes, resign, NOW).signing


def replaced(publisher, role, new):
    now = role_keys(parse_root(publisher.root), roles_of(role)[0])
    wanted = without_key(with_key(now, new.public_key, None), now.ids[0], None)
    return dict.fromkeys(roles_of(role), wanted)


def seen(gateway):
    """The signers of the update that a gateway would install, or why it would not."""
    try:
        return list(gateway.client().fetch_manifest("1.0.0").key_ids)
    except OtaError as error:
        return error.message.partition(": ")[2]


def test_a_failure_at_every_write_can_be_run_again_and_no_gateway_sees_half(publisher, gateway, person):
    publisher.publish(publisher.manifest("1.0.0"))
    gateway.client().refresh()
    release, online = person("release"), person("online")
    changes = replaced(publisher, "release", release) | replaced(publisher, "online", online)
    signing = Signing(prepare(publisher, changes).signed_by([publisher.signers["root"], release]))
    assert not signing.missing()
    writes, states = 0, []
    while True:
        publisher.store.puts.clear()
        publisher.store.fail_after = writes
        try:
            root = publish_root(publisher.store, signing.request, OnlineSigners.one(online), NOW)
            break
        except StoreError:
            pass
        writes += 1
        states.append(seen(gateway))
    assert states == [[publisher.signers["release"].public_key.keyid]] * 3 + [WAITS]
    assert gateway.client().fetch_manifest("1.0.0").key_ids == (release.public_key.keyid,)
    assert root == newest_root(publisher.store, publisher.root)


def test_the_order_of_writing(publisher, person):
    publisher.publish(publisher.manifest("1.0.0"))
    release = person("release")
    signing = prepare(publisher, replaced(publisher, "release", release))
    signed = signing.signed_by([publisher.signers["root"], release])
    publisher.store.puts.clear()
    publish_root(publisher.store, signed, OnlineSigners.one(publisher.signers["online"]), NOW)
    names = [key.rpartition("/")[2].split(".", 1)[1] for key in publisher.store.puts]
    assert names == ["manifest.json.sig", "targets.json", "snapshot.json", "root.json", "json"]


def test_only_root_changes_where_only_root_holders_do(publisher, gateway, person):
    holder = person("holder")
    signing = prepare(publisher, replaced(publisher, "root", holder))
    publisher.store.puts.clear()
    publish_root(publisher.store, signing.signed_by([publisher.signers["root"], holder]), OnlineSigners(), NOW)
    assert publisher.store.puts == ["metadata/2.root.json"]
    gateway.client().refresh()
    assert gateway.floor["root"] == 2


def test_the_old_and_the_new_threshold_must_sign(publisher, person):
    holder = person("holder")
    signing = prepare(publisher, replaced(publisher, "root", holder))
    for signer, missing in ((holder, "before"), (publisher.signers["root"], "after")):
        one = signing.signed_by([signer])
        with pytest.raises(SignatureError, match=f"1 more of the root keys {missing} the change"):
            publish_root(publisher.store, one, OnlineSigners(), NOW)
    assert publisher.store.list("metadata/2") == []


def test_release_keys_of_two_people_sign_a_manifest_and_then_the_list(publisher, gateway, person):
    publisher.publish(publisher.manifest("1.0.0"))
    ann, ben = person("ann"), person("ben", "ecdsa-p256")
    both = {"release": RoleKeys((ann.public_key, ben.public_key), 2)}
    request = prepare(publisher, both).signed_by([publisher.signers["root"], ann])
    # Ann has signed the manifest; the list names the signature file, which Ben's signature completes.
    request = Signing(request).signed_by([ben])
    assert [each.document for each in Signing(request).missing()] == ["3.targets.json"]
    request = Signing(request).signed_by([ann])
    assert not Signing(request).missing()
    publish_root(publisher.store, request, OnlineSigners.one(publisher.signers["online"]), NOW)
    found = gateway.client().fetch_manifest("1.0.0").key_ids
    assert found == tuple(sorted([ann.public_key.keyid, ben.public_key.keyid]))


def test_what_was_published_meanwhile_is_not_lost(publisher, person):
    publisher.publish(publisher.manifest("1.0.0"))
    release = person("release")
    signing = prepare(publisher, replaced(publisher, "release", release))
    signed = signing.signed_by([publisher.signers["root"], release])
    publisher.publish(publisher.manifest("1.1.0"))
    with pytest.raises(ConflictError, match="an update was published since this change was prepared"):
        publish_root(publisher.store, signed, OnlineSigners.one(publisher.signers["online"]), NOW)
    other = prepare(publisher, {}).signed_by([publisher.signers["root"]])
    publish_root(publisher.store, other, OnlineSigners(), NOW)
    with pytest.raises(ConflictError, match=r"root is at version 2 .* made for version 1"):
        publish_root(publisher.store, signed, OnlineSigners.one(publisher.signers["online"]), NOW)


def test_without_the_online_key_nothing_is_written(publisher, person):
    online = person("online")
    signing = prepare(publisher, replaced(publisher, "online", online))
    publisher.store.puts.clear()
    with pytest.raises(
        KeyFileError,
        match="too few of the keys are here: snapshot takes 1 of",
    ):
        publish_root(publisher.store, signing.signed_by([publisher.signers["root"]]), OnlineSigners(), NOW)
    assert publisher.store.puts == []


def test_the_newest_list_counts_not_the_one_that_a_thief_leads_to(publisher, gateway, person):
    publisher.publish(publisher.manifest("1.0.0"))
    old = publisher.store.get("metadata/timestamp.json")
    publisher.publish(publisher.manifest("1.1.0"))
    publisher.store.put("metadata/timestamp.json", old, "")
    online = person("online")
    signing = prepare(publisher, replaced(publisher, "online", online))
    publish_root(publisher.store, signing.signed_by([publisher.signers["root"]]), OnlineSigners.one(online), NOW)
    assert [update.version for update in gateway.client().updates()] == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize(
    ("keys", "threshold", "words"),
    [(1, 2, "2 of 1 root keys cannot sign"), (0, 1, "1 of 0 root keys"), (1, 0, "0 of 1 root keys")],
)
def test_thresholds_that_nobody_can_reach(publisher, keys, threshold, words):
    now = role_keys(parse_root(publisher.root), "root")
    with pytest.raises(UsageError, match=words):
        next_root(parse_root(publisher.root), {"root": RoleKeys(now.keys[:keys], threshold)}, NOW)


def test_one_key_never_counts_for_two_roles(publisher):
    root = parse_root(publisher.root)
    release = role_keys(root, "release").keys[0]
    with pytest.raises(ConflictError, match="would be root and release key at once"):
        next_root(root, {"root": with_key(role_keys(root, "root"), release, None)}, NOW)
    with pytest.raises(ConflictError, match="is there already"):
        with_key(role_keys(root, "release"), release, None)


def test_a_root_that_does_not_follow_is_refused(publisher, person):
    stranger = person("stranger")
    root = parse_root(publisher.root)
    after = next_root(root, {"root": RoleKeys((stranger.public_key,), 1)}, NOW)
    document = SignedDocument("2.root.json", "root", payload_of(after)).signed_by(stranger)
    publisher.store.put("metadata/2.root.json", document.envelope(after), "")
    with pytest.raises(TrustError, match=r"2\.root\.json is not signed as the root before it demands"):
        newest_root(publisher.store, publisher.root)


def test_a_request_for_another_version_is_refused(publisher):
    root = parse_root(publisher.root)
    after = next_root(root, {}, NOW)
    after.version = 7
    request = SigningRequest("root", "x", publisher.root, (SignedDocument("7.root.json", "root", payload_of(after)),))
    with pytest.raises(UsageError, match=r"7\.root\.json .* is version 7 of root, expected 2"):
        Signing(request).missing()
    assert Metadata.from_bytes(publisher.root).signed.version == 1


def test_a_new_timestamp_key_goes_on_with_the_snapshot_only_if_it_leads_to_the_newest_list(publisher, person):
    publisher.publish(publisher.manifest("1.0.0"))
    new = person("timestamp")
    signing = prepare(publisher, replaced(publisher, "timestamp", new))
    signed = signing.signed_by([publisher.signers["root"]])
    newest = f"metadata/{publisher.repository().snapshot.version}.snapshot.json"
    kept = publisher.store.get(newest)
    publisher.store.delete(newest)  # as if the release had broken off before it
    with pytest.raises(KeyFileError, match="snapshot takes 1 of"):
        publish_root(publisher.store, signed, OnlineSigners(timestamp=[new]), NOW)
    publisher.store.put(newest, kept, "")
    publisher.root = publish_root(publisher.store, signed, OnlineSigners(timestamp=[new]), NOW)
    assert publisher.repository().versions() == ["1.0.0"]
