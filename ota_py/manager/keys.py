"""The private keys that this machine has, as `ota.toml` names them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from securesystemslib.signer import Key, Signer

from ota_py.errors import KeyMismatchError
from ota_py.manager.config import KeysSection, Role
from ota_py.manager.secrets import Passphrases
from ota_py.trust.repository import Repository
from ota_py.trust.root_change import role_keys
from ota_py.trust.signers import FILE_SCHEME, load_matching


def signers(role: Role, keys: KeysSection, repository: Repository, passphrases: Passphrases) -> list[Signer]:
    """Opens all keys of a role that `ota.toml` names; see `open_keys`."""
    known = role_keys(repository.root, role).keys
    return open_keys(getattr(keys, role), known, role, passphrases)


def release_signer(keys: KeysSection, repository: Repository, passphrases: Passphrases) -> Signer:
    """Opens a key that signs manifests and targets; see `open_keys`."""
    return signers("release", keys, repository, passphrases)[0]


def open_keys(uris: Sequence[str], known: Sequence[Key], role: str, passphrases: Passphrases) -> list[Signer]:
    """Opens those of some keys that are among the `known` ones; others may be of before or after a change.

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
    """Opens those of some keys that this machine has and that are among the `known` ones; maybe none."""
    here = [uri for uri in uris if not uri.startswith(FILE_SCHEME) or _path(uri).exists()]
    with suppress(KeyMismatchError):
        return open_keys(here, known, role, passphrases)
    return []


def _path(uri: str) -> Path:
    return Path(uri.removeprefix(FILE_SCHEME))
