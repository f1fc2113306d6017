"""Keys as files, in PEM. A private one is PKCS#8, 0600, and encrypted when a passphrase was given.

A public key file can be read by openssl. What TUF adds to it, type, scheme and key id, follows from the key.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from securesystemslib.signer import Key, SSlibKey

from ota_py import durable
from ota_py.errors import ConflictError, KeyFileError, UsageError
from ota_py.trust.verify import RSA_SCHEME, check_key

PUBLIC_SUFFIX = ".pub"
DEFAULT_KIND = "rsa-2048"
# Kinds of keys that can be made. Gateways check RSA quickest, and every HSM and KMS knows it.
KINDS: dict[str, Callable[[], PrivateKeyTypes]] = {
    "rsa-2048": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "rsa-3072": lambda: rsa.generate_private_key(public_exponent=65537, key_size=3072),
    "rsa-4096": lambda: rsa.generate_private_key(public_exponent=65537, key_size=4096),
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
_PUBLIC_MAX_BYTES = 16 * 1024

PassphraseGetter = Callable[[], str]


def generate_key(path: Path, passphrase: str | None, kind: str = DEFAULT_KIND) -> Key:
    """Write a new private key with mode 0600, and return its public part.

    Args:
        path: where to write it; an existing file is never touched.
        passphrase: encrypts the file; None or empty leaves it in the clear.
        kind: one of `KINDS`.

    Raises:
        UsageError: another kind, such as RSA with fewer than 2048 bits.
        ConflictError: `path` exists.
        KeyFileError: it cannot be written.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind} is not a kind of key that can be made", hint=f"use {', '.join(KINDS)}")
    private = KINDS[kind]()
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    _write_new(path, pem, 0o600)
    return tuf_key(private.public_key(), str(path))


def public_path(path: Path) -> Path:
    """The path of a private key file's public part."""
    return path.with_suffix(PUBLIC_SUFFIX)


def public_pem(key: Key) -> bytes:
    """The content of a public key file."""
    return _crypto_key(key).public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def write_public(key: Key, path: Path) -> None:
    """Write a new public key file.

    Raises:
        ConflictError: it exists.
        KeyFileError: it cannot be written.
    """
    _write_new(path, public_pem(key), 0o644)


def read_public(path: Path) -> Key:
    """The key of a public key file.

    Raises:
        KeyFileError: it cannot be read, or holds something else, such as a private key.
        TrustError: the key is too weak.
    """
    try:
        with path.open("rb") as file:
            pem = file.read(_PUBLIC_MAX_BYTES)
    except OSError as error:
        raise KeyFileError(f"cannot read the public key {path}: {error.strerror}") from None
    try:
        public = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(
            f"{path} is not a public key in PEM",
            hint="`keys export-public` writes the public part of a key; never pass on the private one",
        ) from None
    return tuf_key(public, str(path))


def tuf_key(public: PublicKeyTypes, what: str) -> Key:
    """A public key as root names it, with its id.

    Raises:
        KeyFileError: of a kind that is not supported.
        TrustError: too weak.
    """
    try:
        key = SSlibKey.from_crypto(public, scheme=RSA_SCHEME if isinstance(public, rsa.RSAPublicKey) else None)
    except ValueError:
        raise KeyFileError(
            f"{what} is a key of a kind that is not supported", hint=f"use one of {', '.join(KINDS)}"
        ) from None
    check_key(key.keyid, key)
    return key


def normal_key(key: Key, what: str) -> Key:
    """A key as this project writes it, so that one key has one id wherever it came from.

    Raises:
        KeyFileError, TrustError: see `tuf_key`.
    """
    return tuf_key(_crypto_key(key), what)


def same_key(one: Key, other: Key) -> bool:
    """Whether two keys are one, however their public part is written."""
    return public_pem(one) == public_pem(other)


def describe_key(key: Key) -> str:
    """The kind of a key in words, such as `RSA-2048`."""
    public = _crypto_key(key)
    return f"RSA-{public.key_size}" if isinstance(public, rsa.RSAPublicKey) else key.scheme


def read_private(path: Path, passphrase: PassphraseGetter) -> PrivateKeyTypes:
    """The private key of a file.

    Args:
        passphrase: called only when the file is encrypted.

    Raises:
        KeyFileError: missing, readable by others, not a private key, or the passphrase does not open it.
    """
    pem = _read_private(path)
    try:
        return serialization.load_pem_private_key(pem, None)
    except TypeError:  # cryptography's error for an encrypted key
        try:
            return serialization.load_pem_private_key(pem, passphrase().encode())
        except ValueError:
            raise KeyFileError(f"the passphrase does not open the key {path}") from None
    except ValueError:
        raise KeyFileError(f"{path} is not a private key in PEM (PKCS#8)") from None


def _crypto_key(key: Key) -> PublicKeyTypes:
    if key.keytype == "ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
    return serialization.load_pem_public_key(key.keyval["public"].encode())


def _read_private(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyFileError(
                f"the key {path} can be read by others (mode {mode:04o}, expected 0600)",
                hint=f"run: chmod 600 {path}; if others could read it, rotate the key",
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise KeyFileError(
            f"the key {path} does not exist",
            hint="correct its name, here or under [keys] in ota.toml; `keys init FILE` makes a key",
        ) from None
    except OSError as error:
        raise KeyFileError(f"cannot read the key {path}: {error.strerror}") from None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        with durable.new_file(path, mode) as file:
            file.write(data)
    except FileExistsError:
        raise ConflictError(f"{path} exists; a key is never overwritten") from None
    except OSError as error:
        raise KeyFileError(f"cannot write the key {path}: {error.strerror}") from None
