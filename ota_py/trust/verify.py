"""Verification: bytes, keys and a time in; an object or an error out. Touches nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import Key, Signature
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Delegations, Metadata, Root, Targets
from tuf.api.serialization import DeserializationError, SerializationError

from ota_py.errors import IntegrityError, SignatureError, TrustError
from ota_py.hashes import sha256_of
from ota_py.manifest import Manifest, parse_manifest
from ota_py.strict_json import parse_json
from ota_py.trust.key_identity import identity_of

RSA_MIN_BITS = 2048
RSA_SCHEME = "rsassa-pss-sha256"
SIGNATURE_FILE_MAX_BYTES = 64 * 1024
SIGNATURES_MAX = 16
# A fleet that publishes every minute needs 4,000 years for so many. Above it, only a thief is at work.
METADATA_VERSION_MAX = 2**31 - 1


@dataclass(frozen=True)
class VerifiedManifest:
    """A manifest that the release keys signed.

    Attributes:
        manifest: the parsed document.
        raw: the exact bytes that were verified; use these, never read the file again.
        signature: the detached signature's bytes.
        key_ids: the keys of root's targets role that signed it.
    """

    manifest: Manifest
    raw: bytes
    signature: bytes
    key_ids: tuple[str, ...]


def parse_root(raw: bytes) -> Root:
    """The trust anchor from its bytes; every key in it is strong enough, and it signed itself.

    Raises:
        TrustError: not a TUF root, not signed by its own threshold, or with a weak key.
    """
    try:
        envelope = Metadata[Root].from_bytes(raw)
    except DeserializationError as error:
        raise TrustError(f"root.json is not TUF metadata: {error}") from None
    root = envelope.signed
    if not isinstance(root, Root):
        raise TrustError(f"root.json holds the role {envelope.signed.type!r}, expected 'root'")
    check_keys(root)
    try:
        root.verify_delegate(Root.type, envelope.signed_bytes, envelope.signatures)
    except (UnsignedMetadataError, ValueError) as error:
        raise SignatureError(f"root.json is not signed by its own keys: {error}") from None
    except SerializationError as error:
        why = str(error.__cause__)[:200]
        raise TrustError(f"root.json holds what no signature can be over: {why}") from None
    return root


def check_keys(delegator: Root | Delegations) -> None:
    """Refuse a root or delegation that names a weak key, or would count one key of a role twice.

    An RSA key is weak below 2048 bits, or with another scheme than PSS with SHA-256.

    Raises:
        TrustError: naming the key, what was expected and what was got.
    """
    for key_id, key in delegator.keys.items():
        check_key(key_id, key)
    who = "root" if isinstance(delegator, Root) else "a list of targets"
    for name, role in (delegator.roles or {}).items():
        # An id without a key counts for nothing, as python-tuf has it.
        found = [delegator.keys[key_id] for key_id in role.keyids if key_id in delegator.keys]
        if len({identity_of(key) for key in found}) != len(found):
            raise TrustError(f"{who} names one key of the role {name} twice, under two ids")


def check_key(key_id: str, key: Key) -> None:
    """Refuse one weak key; see `check_keys`."""
    if key.keytype != "rsa":
        if key.keytype in ("ed25519", "ecdsa"):
            return
        raise TrustError(f"key {key_id[:16]} is of type {key.keytype!r}, expected rsa, ecdsa or ed25519")
    if key.scheme != RSA_SCHEME:
        raise TrustError(f"key {key_id[:16]} has the scheme {key.scheme!r}, expected {RSA_SCHEME!r}")
    try:
        public = load_pem_public_key(key.keyval["public"].encode())
    except (ValueError, UnsupportedAlgorithm):
        raise TrustError(f"key {key_id[:16]} says rsa but holds no key in PEM form") from None
    if not isinstance(public, RSAPublicKey):
        raise TrustError(f"key {key_id[:16]} says rsa but holds another kind of key")
    if public.key_size < RSA_MIN_BITS:
        raise TrustError(f"key {key_id[:16]} has {public.key_size} bits, expected at least {RSA_MIN_BITS}")


def parse_signature_file(raw: bytes) -> dict[str, Signature]:
    """The signatures of a `manifest.json.sig`, by key id.

    Raises:
        SignatureError: malformed, too many, or one key id twice.
    """
    data = parse_json(raw, "signature file", SIGNATURE_FILE_MAX_BYTES)
    entries = data.get("signatures") if isinstance(data, dict) and set(data) == {"signatures"} else None
    if not isinstance(entries, list) or not all(_is_signature(entry) for entry in entries):
        raise SignatureError('signature file must be {"signatures": [{"keyid": ..., "sig": ...}]}')
    if len(entries) > SIGNATURES_MAX:
        raise SignatureError(f"signature file has {len(entries)} signatures, the limit is {SIGNATURES_MAX}")
    found = {entry["keyid"]: Signature(entry["keyid"], entry["sig"]) for entry in entries}
    if len(found) != len(entries):
        raise SignatureError("signature file names one key twice")
    return found


def signature_file(signatures: list[Signature]) -> bytes:
    """The bytes of a `manifest.json.sig`."""
    entries = [{"keyid": s.keyid, "sig": s.signature} for s in sorted(signatures, key=lambda s: s.keyid)]
    return (json.dumps({"signatures": entries}, indent=2, sort_keys=True) + "\n").encode()


def verify_manifest(raw: bytes, signature: bytes, root: Root) -> VerifiedManifest:
    """Check that root's release (targets) keys signed exactly these bytes, then parse them.

    Nothing of the manifest is parsed before its signature holds.

    Args:
        raw: bytes of manifest.json.
        signature: bytes of manifest.json.sig.
        root: a root from `parse_root`.

    Raises:
        SignatureError: below root's threshold for the targets role.
        ManifestError: signed, but malformed.
    """
    signatures = parse_signature_file(signature)
    result = root.get_verification_result(Targets.type, raw, signatures)
    if not result:
        raise SignatureError(
            f"manifest is signed by {len(result.signed)} of the release keys, expected {result.threshold}",
            hint="the manifest or its signature was altered, or another key signed it; get both again",
        )
    return VerifiedManifest(parse_manifest(raw), raw, signature, tuple(sorted(result.signed)))


def check_integrity(data: bytes, sha256: str, length: int, what: str) -> bytes:
    """Return `data` if it has the signed length and hash.

    Raises:
        IntegrityError: with what was expected and what was got.
    """
    if len(data) != length:
        raise IntegrityError(f"{what} has {len(data)} bytes, expected {length}")
    got = sha256_of(data)
    if got != sha256:
        raise IntegrityError(f"{what} has sha256 {got}, expected {sha256}")
    return data


def _is_signature(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and set(entry) == {"keyid", "sig"}
        and all(isinstance(value, str) for value in entry.values())
    )
