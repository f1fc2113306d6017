"""Keys that an operator makes or names: a new file, a public key file, or a URI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import Key

from ota_py.errors import ConfigError
from ota_py.manager.config.secrets import Passphrases
from ota_py.trust.keys.key_files import DEFAULT_KIND, generate_key, public_path, read_public, write_public
from ota_py.trust.keys.signers import FILE_SCHEME, import_public


@dataclass(frozen=True)
class KeySource:
    """A public key, and the URI of its private part where that can be used from here."""

    key: Key
    uri: str | None


def make_key(path: Path, role: str, kind: str, passphrases: Passphrases, *, unencrypted: bool) -> tuple[Key, bool]:
    """Make a private key file, and its public one beside it; returns the key, and whether it is encrypted.

    Raises:
        UsageError: no passphrase, and nobody to ask for one.
        ConflictError: one of the files exists.
        KeyFileError: it cannot be written.
    """
    passphrase = passphrases.new(role, unencrypted=unencrypted)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the directory {path.parent}: {error.strerror}") from None
    key = generate_key(path, passphrase, kind)
    try:
        write_public(key, public_path(path))
    except BaseException:
        path.unlink()
        raise
    passphrases.remember(f"{FILE_SCHEME}{path}", passphrase)
    return key, bool(passphrase)


def make_role_key(path: Path, role: str, passphrases: Passphrases, *, unencrypted: bool) -> KeySource:
    """Make the next key of a role; see `make_key`."""
    key, _ = make_key(path, role, DEFAULT_KIND, passphrases, unencrypted=unencrypted)
    return KeySource(key, f"{FILE_SCHEME}{path}")


def read_source(text: str, passphrases: Passphrases) -> KeySource:
    """The key that a text names: a public key file, a private one, or a URI.

    Raises:
        KeyFileError: there is no such key, or it cannot be read.
        TrustError: it is too weak.
    """
    path = Path(text.removeprefix(FILE_SCHEME)).absolute()
    if not path.exists() and ":" in text and not text.startswith(FILE_SCHEME):
        uri, key = import_public(text, passphrases.getter("signing", text))
        return KeySource(key, uri)
    if _is_public(path):
        return KeySource(read_public(path), None)
    uri, key = import_public(f"{FILE_SCHEME}{path}", passphrases.getter("signing", text))
    return KeySource(key, uri)


def _is_public(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"BEGIN PUBLIC KEY" in file.read(200)
    except OSError:
        return False
