"""Signatures: too few of them, roots out of turn, keys that do not count (A01, A02, A08)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Root, Targets

from ota_py.errors import FreshnessError, SignatureError, TrustError
from ota_py.trust.keys.signers import sign_manifest
from ota_py.trust.verify import signature_file
from tests.support.gateway.attacked import PASSED, ROOT_FILES, Box, serve
from tests.support.trust.simulator import Forger, twice, under_another_id

SECOND_ID = "0" * 64


def newer(content: Any) -> None:
    content.version += 1


@pytest.mark.case("A01")
@pytest.mark.parametrize("keys", [(), ("stranger",), ("other",)], ids=["none", "a stranger", "another role"])
@pytest.mark.parametrize("role", PASSED)
def test_metadata_that_its_keys_did_not_sign(box: Box, role: str, keys: tuple[str, ...]) -> None:
    other = "online" if role in ("root", "targets") else "release"
    used = tuple(other if key == "other" else key for key in keys)
    serve(box.forger, role, box.forger.forge(role, newer, *used))
    box.refuses(SignatureError, f"{role} was signed by 0/1 keys", kept=PASSED[role])
    box.heals()


@pytest.mark.case("A01")
@pytest.mark.parametrize("role", PASSED)
def test_one_signature_that_stands_there_twice(box: Box, role: str) -> None:
    key = {"root": "root", "targets": "release"}.get(role, "online")
    serve(box.forger, role, twice(box.forger.forge(role, newer, key)))
    box.refuses(TrustError, "Failed to deserialize JSON", kept=PASSED[role])
    box.heals()


def two_of_two(forger: Forger, *, ids: tuple[str, str]) -> None:
    """Serve a root that requires two release keys; the second is the stranger's, or the first once more."""

    def change(root: Root) -> None:
        key = forger.signers["release" if ids[1] == "again" else "stranger"].public_key
        if ids[1] == "again":
            key = SSlibKey(SECOND_ID, key.keytype, key.scheme, dict(key.keyval))
        root.add_key(key, Targets.type)
        root.roles[Targets.type].threshold = 2

    forger.serve_root(change, "root")


@pytest.mark.case("A01")
def test_one_release_key_of_two(box: Box) -> None:
    two_of_two(box.forger, ids=("release", "stranger"))
    kept = ROOT_FILES | PASSED["targets"]
    box.forger.serve_targets(box.forger.forge("targets", newer, "release"))
    box.refuses(SignatureError, "targets was signed by 1/2 keys", kept=kept)
    raw = box.publisher.manifest("1.3.0").to_bytes()
    one = sign_manifest(raw, [box.publisher.signers["release"]])
    box.refuses(
        SignatureError,
        "manifest is signed by 1 of the release keys, expected 2",
        lambda client: client.verify_local(raw, one),
    )
    both = [box.forger.signers[name].sign(raw) for name in ("release", "stranger")]
    assert box.look(lambda client: client.verify_local(raw, signature_file(both))).manifest.version == "1.3.0"


@pytest.mark.case("A01")
def test_one_key_under_two_ids_does_not_count_twice(box: Box) -> None:
    """Root itself is at fault, and was signed: it is kept, as specified, and nothing follows."""
    two_of_two(box.forger, ids=("release", "again"))
    box.forger.serve_targets(under_another_id(box.forger.forge("targets", newer, "release"), SECOND_ID))
    words = "root names one key of the role targets twice"
    box.refuses(TrustError, words, kept=ROOT_FILES)
    box.refuses(TrustError, words, lambda client: client.verify_local(b"{}", b"{}"))


@pytest.mark.case("A01")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: [], "manifest is signed by 0 of the release keys, expected 1"),
        (lambda s: [s, s], "signature file names one key twice"),
        (lambda s: [{**s, "sig": "00" + s["sig"][2:]}], "signed by 0 of the release keys, expected 1"),
        (lambda s: [{**s, "keyid": "0" * 64}], "signed by 0 of the release keys, expected 1"),
        (lambda s: [{**s, "keyid": f"{n:064}"} for n in range(17)], "has 17 signatures, the limit is 16"),
    ],
    ids=["none", "twice", "another", "unknown key", "too many"],
)
def test_a_manifest_by_hand(box: Box, change: Any, words: str) -> None:
    raw = box.publisher.manifest("1.3.0").to_bytes()
    signed = json.loads(sign_manifest(raw, [box.publisher.signers["release"]]))["signatures"][0]
    signature = json.dumps({"signatures": change(signed)}).encode()
    box.refuses(SignatureError, words, lambda client: client.verify_local(raw, signature))


# -- roots ----------------------------------------------------------------------------------------------


def stranger_takes_root(forger: Forger) -> Any:
    """A root in which the stranger's key alone signs root."""

    def change(root: Root) -> None:
        for keyid in list(root.roles[Root.type].keyids):
            root.revoke_key(keyid, Root.type)
        root.add_key(forger.signers["stranger"].public_key, Root.type)

    return change


@pytest.mark.case("A02")
@pytest.mark.parametrize(
    ("version", "keys", "words"),
    [
        (2, ("root",), "root was signed by 0/1 keys"),
        (2, ("stranger",), "root was signed by 0/1 keys"),
        (3, ("root", "stranger"), "Expected root version 2 instead got version 3"),
        (1, ("root", "stranger"), "Expected root version 2 instead got version 1"),
    ],
    ids=["old keys only", "new keys only", "skips a version", "goes back"],
)
def test_a_root_out_of_turn(box: Box, version: int, keys: tuple[str, ...], words: str) -> None:
    data = box.forger.serve_root(stranger_takes_root(box.forger), *keys, version=version)
    box.mirror.instead["metadata/2.root.json"] = data
    error = box.refuses((SignatureError if "signed" in words else FreshnessError), words)
    assert error.exit_status == 20
    box.heals()


@pytest.mark.case("A02")
def test_a_root_that_failed_is_not_built_upon(box: Box) -> None:
    """Neither within the same chain, nor from a copy that somebody left in the cache."""
    bad = box.forger.serve_root(stranger_takes_root(box.forger), "stranger")
    box.forger.serve_root(stranger_takes_root(box.forger), "stranger", version=3)
    box.refuses(SignatureError, "root was signed by 0/1 keys")
    assert "metadata/3.root.json" not in box.mirror.requests
    left = box.config.trust_dir / "metadata" / "root_history" / "2.root.json"
    left.write_bytes(bad)
    box.mirror.instead["metadata/2.root.json"] = None
    box.look()
    raw = box.publisher.manifest("1.3.0").to_bytes()
    signature = sign_manifest(raw, [box.publisher.signers["release"]])
    assert box.look(lambda client: client.verify_local(raw, signature)).manifest.version == "1.3.0"
    box.heals()


# -- keys -----------------------------------------------------------------------------------------------


@pytest.mark.case("A08")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bits": 1024}, "has 1024 bits, expected at least 2048"),
        ({"scheme": "rsa-pkcs1v15-sha256"}, "has the scheme 'rsa-pkcs1v15-sha256', expected"),
        ({"public": "-----BEGIN nothing"}, "says rsa but holds no key in PEM form"),
    ],
    ids=["short", "other scheme", "no key"],
)
def test_a_root_with_a_key_that_is_too_weak(box: Box, change: dict[str, Any], words: str) -> None:
    """Signed by root's own keys, so python-tuf keeps it; but nothing under it is trusted."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=change.get("bits", 2048))
    strong = SSlibKey.from_crypto(private.public_key(), scheme="rsassa-pss-sha256")
    public = {"public": change.get("public", strong.keyval["public"])}
    key = SSlibKey(SECOND_ID, "rsa", change.get("scheme", strong.scheme), public)
    box.forger.serve_root(lambda root: root.add_key(key, Targets.type), "root")
    box.refuses(TrustError, words, kept=ROOT_FILES)
    box.refuses(TrustError, words, lambda client: client.verify_local(b"{}", b"{}"))


@pytest.mark.case("A08")
def test_a_signature_by_another_algorithm_than_the_keys(box: Box) -> None:
    """The thief signs with an Ed25519 key and calls it by the id of the online RSA key."""
    other = CryptoSigner.generate_ed25519()
    online = box.forger.signers["online"].public_key.keyid
    data = json.loads(box.forger.forge("timestamp", newer))
    from securesystemslib.formats import encode_canonical

    sig = other.sign(encode_canonical(data["signed"]).encode()).signature
    data["signatures"] = [{"keyid": online, "sig": sig}]
    box.mirror.instead["metadata/timestamp.json"] = json.dumps(data).encode()
    box.refuses(SignatureError, "timestamp was signed by 0/1 keys")
    box.heals()
