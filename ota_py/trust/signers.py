"""Private keys: made, loaded and used through securesystemslib's signers.

A key is named by a URI. `file:` is ours: a PKCS#8 PEM file, 0600, encrypted when a passphrase was given
(securesystemslib's own `file2:` cannot decrypt). Every other scheme (`awskms:`, `hsm:`, `hv:`, ...) goes to
securesystemslib, so that a KMS key is one option away from a file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Key, SecretsHandler, Signature, Signer, SSlibKey

from ota_py.errors import ConflictError, KeyFileError, UsageError
from ota_py.trust.verify import RSA_MIN_BITS, RSA_SCHEME, check_key, signature_file

FILE_SCHEME = "file:"
# Signed to find out which key a URI means where several may be meant; it is no manifest and no metadata.
PROBE = b"which key is this?"

PassphraseGetter = Callable[[], str]


def generate_rsa(path: Path, passphrase: str | None, bits: int = RSA_MIN_BITS) -> Key:
    """Write a new RSA private key as PKCS#8 PEM with mode 0600, and return its public part.

    Args:
        path: where to write it; an existing file is never touched.
        passphrase: encrypts the file; None leaves it in the clear.
        bits: 2048 or more.

    Raises:
        UsageError: fewer bits than 2048.
        ConflictError: `path` exists.
        KeyFileError: it cannot be written.
    """
    if bits < RSA_MIN_BITS:
        raise UsageError(f"an RSA key of {bits} bits is too short, expected at least {RSA_MIN_BITS}")
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConflictError(f"{path} exists; a key is never overwritten") from None
    except OSError as error:
        raise KeyFileError(f"cannot write the key {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return SSlibKey.from_crypto(private.public_key(), scheme=RSA_SCHEME)


def load_signer(uri: str, public: Key, passphrase: PassphraseGetter) -> Signer:
    """Open the private key named by `uri`, and check that it is the one of `public`.

    Args:
        uri: `file:PATH`, or a scheme of securesystemslib.
        public: the public key as the root names it.
        passphrase: asked only when the file is encrypted.

    Raises:
        KeyFileError: missing, readable by others, wrong passphrase, unusable, or another key than `public`.
    """
    return load_matching(uri, [public], passphrase)


def load_matching(uri: str, known: Sequence[Key], passphrase: PassphraseGetter) -> Signer:
    """Open the private key named by `uri`, whichever of the `known` public keys it belongs to.

    Args:
        uri, passphrase: see `load_signer`.
        known: at least one, such as all release keys of root.

    Raises:
        KeyFileError: see `load_signer`; or it belongs to none of them.
    """
    if uri.startswith(FILE_SCHEME):
        return _load_file(Path(uri.removeprefix(FILE_SCHEME)), known, passphrase)
    if len(known) == 1:
        return _load_remote(uri, known[0], passphrase)
    for public in known:
        with suppress(KeyFileError):
            signer = _load_remote(uri, public, passphrase)
            signer.sign(PROBE)
            return signer
    raise _mismatch(uri, known)


def sign_manifest(raw: bytes, signers: Iterable[Signer]) -> bytes:
    """The bytes of `manifest.json.sig`: each signer's signature over exactly `raw`.

    Raises:
        KeyFileError: a signer refused.
    """
    try:
        return signature_file([signer.sign(raw) for signer in signers])
    except (ValueError, OSError, SecureSystemsError) as error:
        raise KeyFileError(f"the manifest could not be signed: {error}") from None


class _Checked(Signer):
    """A signer of securesystemslib that believes no answer: what it signs is verified at once."""

    def __init__(self, uri: str, signer: Signer) -> None:
        self._uri = uri
        self._signer = signer

    @property
    def public_key(self) -> Key:
        """The key as the root names it."""
        return self._signer.public_key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        """Open the key; see `Signer.from_priv_key_uri`."""
        return cls(priv_key_uri, Signer.from_priv_key_uri(priv_key_uri, public_key, secrets_handler))

    def sign(self, payload: bytes) -> Signature:
        """Sign, and verify the signature.

        Raises:
            KeyFileError: the service refused, or it signed with another key.
        """
        try:
            signature = self._signer.sign(payload)
        except Exception as error:  # noqa: BLE001 - each service's library has errors of its own
            raise KeyFileError(f"the key {self._uri} did not sign: {error}") from None
        try:
            self.public_key.verify_signature(signature, payload)
        except UnverifiedSignatureError:
            raise _mismatch(self._uri, [self.public_key]) from None
        return signature


def _load_remote(uri: str, public: Key, passphrase: PassphraseGetter) -> Signer:
    check_key(public.keyid, public)
    try:
        return _Checked.from_priv_key_uri(uri, public, lambda _what: passphrase())
    except Exception as error:  # noqa: BLE001 - each service's library has errors of its own
        raise KeyFileError(f"cannot use the key {uri}: {error}") from None


def _load_file(path: Path, known: Sequence[Key], passphrase: PassphraseGetter) -> Signer:
    pem = _read_private(path)
    try:
        private = serialization.load_pem_private_key(pem, None)
    except TypeError:  # cryptography's way to say that it is encrypted
        try:
            private = serialization.load_pem_private_key(pem, passphrase().encode())
        except ValueError:
            raise KeyFileError(f"the passphrase does not open the key {path}") from None
    except ValueError:
        raise KeyFileError(f"{path} is not a private key in PEM (PKCS#8)") from None
    for public in known:
        check_key(public.keyid, public)
        if isinstance(public, SSlibKey) and _fits(private.public_key(), public):
            return CryptoSigner(private, public)
    raise _mismatch(str(path), known)


def _fits(public: PublicKeyTypes, key: SSlibKey) -> bool:
    try:
        return SSlibKey.from_crypto(public, scheme=key.scheme).keyval == key.keyval
    except ValueError:
        return False  # of a kind that TUF does not know


def _mismatch(what: str, known: Sequence[Key]) -> KeyFileError:
    ids = ", ".join(key.keyid[:16] for key in known)
    return KeyFileError(
        f"{what} is not the private key of {ids}",
        hint="root.json names another key for this role; give the key that belongs to it",
    )


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
            f"the key {path} does not exist", hint="run `init`, or name the key under [keys] in ota.toml"
        ) from None
    except OSError as error:
        raise KeyFileError(f"cannot read the key {path}: {error.strerror}") from None
