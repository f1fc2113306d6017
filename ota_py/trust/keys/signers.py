"""Private keys by URI, and what they sign, through securesystemslib's signers.

`file:` is ours (see `key_files`: securesystemslib's own `file2:` cannot decrypt). Every other scheme goes to
securesystemslib, so that a key in a KMS or an HSM is one option away from a file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.exceptions import UnsupportedLibraryError, UnverifiedSignatureError
from securesystemslib.signer import (
    AWSSigner,
    AzureSigner,
    CryptoSigner,
    GCPSigner,
    HSMSigner,
    Key,
    SecretsHandler,
    Signature,
    Signer,
    SSlibKey,
    VaultSigner,
)

from ota_py.errors import KeyFileError, KeyMismatchError, OtaError
from ota_py.trust.keys.key_files import PassphraseGetter, normal_key, read_private, same_key, tuf_key
from ota_py.trust.verify import check_key, signature_file

FILE_SCHEME = "file:"
# What brings the library of a scheme: `pip install 'ota-py[...]'`.
EXTRAS = {"awskms": "aws-kms", "azurekms": "azure-kms", "gcpkms": "gcp-kms", "hv": "vault", "hsm": "hsm"}
# Signed to find out which key a URI means where several may be meant; it is no manifest and no metadata.
PROBE = b"which key is this?"

# The libraries report failures by exceptions, which become ours; their log would repeat them.
logging.getLogger("securesystemslib").addHandler(logging.NullHandler())


def load_signer(uri: str, public: Key, passphrase: PassphraseGetter) -> Signer:
    """Open the private key named by `uri`, and check that it is the one of `public`.

    Args:
        uri: `file:PATH`, or a scheme of `EXTRAS`.
        public: the public key as the root names it.
        passphrase: called only when the file is encrypted; gives the PIN of an HSM, too.

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
        KeyMismatchError: it belongs to none of them.
        KeyFileError: see `load_signer`.
    """
    if uri.startswith(FILE_SCHEME):
        return _load_file(Path(uri.removeprefix(FILE_SCHEME)), known, passphrase)
    if len(known) == 1:
        return _load_remote(uri, known[0], passphrase)
    problems = []
    for public in known:
        try:
            signer = _load_remote(uri, public, passphrase)
            signer.sign(PROBE)
            return signer
        except KeyFileError as error:  # such as a kind of key that the service does not have
            problems.append(error)
    if any(isinstance(problem, KeyMismatchError) for problem in problems):
        raise _mismatch(uri, known)
    raise problems[0]


def import_public(uri: str, passphrase: PassphraseGetter) -> tuple[str, Key]:
    """The public part of the key that a URI means, and the URI to use from now on.

    The URI may become more exact: a service's newest version of a key is named by its number, so that a
    version made there later is not used by mistake.

    Raises:
        KeyFileError: it cannot be had.
        TrustError: the key is too weak.
    """
    if uri.startswith(FILE_SCHEME):
        path = Path(uri.removeprefix(FILE_SCHEME))
        return uri, tuf_key(read_private(path, passphrase).public_key(), str(path))
    parts = urlsplit(uri)
    importers: dict[str, Callable[[], tuple[str, SSlibKey]]] = {
        "awskms": lambda: AWSSigner.import_(parts.path),
        "azurekms": lambda: AzureSigner.import_(parts.netloc.partition(".")[0], parts.path.split("/")[2]),
        "gcpkms": lambda: GCPSigner.import_(parts.path),
        "hv": lambda: VaultSigner.import_(parts.path.partition("/")[0]),
        "hsm": lambda: HSMSigner.import_(
            int(parts.path) if parts.path else None,
            dict(parse_qsl(parts.query)).get("label"),
            lambda _what: passphrase(),
        ),
    }
    if parts.scheme not in importers:
        raise KeyFileError(
            f"{uri} does not name a key",
            hint=f"use file:PATH or one of {', '.join(f'{scheme}:' for scheme in EXTRAS)}",
        )
    try:
        exact, key = importers[parts.scheme]()
        return exact, normal_key(key, uri)
    except OtaError:
        raise
    except Exception as error:  # noqa: BLE001 - each service's library has errors of its own
        raise _unusable(uri, error) from None


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
    """A signer of securesystemslib whose every signature is verified at once."""

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
            KeyMismatchError: it signed with another key.
            KeyFileError: the service refused.
        """
        try:
            signature = self._signer.sign(payload)
        except Exception as error:  # noqa: BLE001 - each service's library has errors of its own
            raise _unusable(self._uri, error) from None
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
        raise _unusable(uri, error) from None


def _load_file(path: Path, known: Sequence[Key], passphrase: PassphraseGetter) -> Signer:
    private = read_private(path, passphrase)
    public = tuf_key(private.public_key(), str(path))
    for key in known:
        check_key(key.keyid, key)
        if isinstance(key, SSlibKey) and same_key(key, public):
            return CryptoSigner(private, key)
    raise _mismatch(str(path), known)


def _mismatch(what: str, known: Sequence[Key]) -> KeyMismatchError:
    ids = ", ".join(key.keyid[:16] for key in known)
    return KeyMismatchError(
        f"{what} is not the private key of {ids}",
        hint="root.json names another key for this role; give the key that belongs to it",
    )


def _unusable(uri: str, error: Exception) -> KeyFileError:
    extra = EXTRAS.get(uri.partition(":")[0])
    if isinstance(error, UnsupportedLibraryError) and extra:
        return KeyFileError(
            f"cannot use the key {uri}: its library is not installed",
            hint=f"run: pip install 'ota-py[{extra}]'",
        )
    return KeyFileError(
        f"cannot use the key {uri}: {str(error) or type(error).__name__}",
        hint="check its name and this machine's access to it; see docs/operator-guide.md",
    )
