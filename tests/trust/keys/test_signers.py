"""Private key files: their writing, and refusals."""

from __future__ import annotations

import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from securesystemslib.signer import SSlibKey

from ota_py.errors import ConflictError, KeyFileError, TrustError, UsageError
from ota_py.trust.keys.key_files import generate_key
from ota_py.trust.keys.signers import load_signer


@pytest.mark.case("A33")
def test_generated_key_is_private_and_encrypted(tmp_path):
    path = tmp_path / "release.pem"
    key = generate_key(path, "correct horse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
    signature = load_signer(f"file:{path}", key, lambda: "correct horse").sign(b"data")
    key.verify_signature(signature, b"data")


def test_wrong_passphrase(tmp_path):
    path = tmp_path / "release.pem"
    key = generate_key(path, "correct horse")
    with pytest.raises(KeyFileError, match="the passphrase does not open the key"):
        load_signer(f"file:{path}", key, lambda: "wrong")


@pytest.mark.case("A33")
def test_world_readable_key_is_refused(tmp_path):
    path = tmp_path / "release.pem"
    key = generate_key(path, None)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match=r"can be read by others \(mode 0644, expected 0600\)"):
        load_signer(f"file:{path}", key, str)


def test_missing_key(tmp_path):
    key = generate_key(tmp_path / "a.pem", None)
    with pytest.raises(KeyFileError, match="does not exist"):
        load_signer(f"file:{tmp_path / 'b.pem'}", key, str)


def test_key_of_another_role(tmp_path):
    key = generate_key(tmp_path / "a.pem", None)
    generate_key(tmp_path / "b.pem", None)
    with pytest.raises(KeyFileError, match="is not the private key of"):
        load_signer(f"file:{tmp_path / 'b.pem'}", key, str)


def test_never_overwrites(tmp_path):
    path = tmp_path / "a.pem"
    generate_key(path, None)
    before = path.read_bytes()
    with pytest.raises(ConflictError):
        generate_key(path, None)
    assert path.read_bytes() == before


@pytest.mark.case("A08")
def test_a08_short_keys_are_neither_made_nor_used(tmp_path):
    with pytest.raises(UsageError, match="rsa-1024 is not a kind of key that can be made"):
        generate_key(tmp_path / "a.pem", None, "rsa-1024")
    private = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    path = tmp_path / "short.pem"
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path.chmod(0o600)
    key = SSlibKey.from_crypto(private.public_key(), scheme="rsassa-pss-sha256")
    with pytest.raises(TrustError, match="has 1024 bits, expected at least 2048"):
        load_signer(f"file:{path}", key, str)


def test_unknown_scheme(tmp_path):
    key = generate_key(tmp_path / "a.pem", None)
    with pytest.raises(KeyFileError, match="cannot use the key floppy:1"):
        load_signer("floppy:1", key, str)
