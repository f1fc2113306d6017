"""The private keys that this machine has, as `ota.toml` names them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Root

from ota_py.errors import KeyMismatchError
from ota_py.manager.config.model import KeysSection, Role
from ota_py.manager.config.secrets import Passphrases
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.documents.root_change import ONLINE, role_keys
from ota_py.trust.keys.signers import FILE_SCHEME, load_matching
from ota_py.trust.repository.repository import Repository

# The role by which passphrases of keys given by --key are found: $OTA_SIGNING_PASSPHRASE.
GIVEN = "signing"


def signers(role: Role, keys: KeysSection, repository: Repository, passphrases: Passphrases) -> list[Signer]:
    """Open all keys of a role that `ota.toml` names; see `open_keys`."""
    known = role_keys(repository.root, role).keys
    return open_keys(keys.of(role), known, role, passphrases)


def release_signer(keys: KeysSection, repository: Repository, passphrases: Passphrases) -> Signer:
    """Open a key that signs manifests and targets; see `open_keys`."""
    return signers("release", keys, repository, passphrases)[0]


def online_signers(keys: KeysSection, root: Root, given: Sequence[str], passphrases: Passphrases) -> OnlineSigners:
    """Open as many keys of snapshot and timestamp as `root` requires, or fewer where fewer are on this machine.

    Args:
        given: URIs of keys that ota.toml does not name.

    Raises:
        KeyFileError: a key cannot be used.
    """
    found: dict[str, list[Signer]] = {}
    for role in ONLINE:
        named = role_keys(root, role)
        signers = keys_here(keys.of(role), named.keys, role, passphrases)
        for uri in given:
            if len(signers) < named.threshold:
                signers += keys_here([uri], named.keys, GIVEN, passphrases)
        found[role] = signers[: named.threshold]
    return OnlineSigners(**found)


def open_keys(uris: Sequence[str], known: Sequence[Key], role: str, passphrases: Passphrases) -> list[Signer]:
    """Open the keys at `uris` that are among the `known` ones; others may be of before or after a change.

    Raises:
        KeyMismatchError: none is.
        KeyFileError: see `load_matching`.
    """
    found: list[Signer] = []
    mismatch: KeyMismatchError | None = None
    for uri in uris:
        try:
            found.append(load_matching(uri, known, passphrases.getter(role, uri)))
        except KeyMismatchError as error:
            mismatch = error
    if mismatch and not found:
        raise mismatch
    return found


def keys_here(uris: Sequence[str], known: Sequence[Key], role: str, passphrases: Passphrases) -> list[Signer]:
    """Open the keys at `uris` that are on this machine and among the `known` ones; the list may be empty."""
    here = [uri for uri in uris if not uri.startswith(FILE_SCHEME) or _path(uri).exists()]
    with suppress(KeyMismatchError):
        return open_keys(here, known, role, passphrases)
    return []


def _path(uri: str) -> Path:
    return Path(uri.removeprefix(FILE_SCHEME))
