"""The fleet's private keys, as `ota.toml` names them."""

from __future__ import annotations

from securesystemslib.signer import Signer

from ota_py.manager.config import KeysSection, Role
from ota_py.manager.secrets import Passphrases
from ota_py.trust.repository import Repository
from ota_py.trust.signers import load_matching

# The TUF role whose keys a role of ota.toml holds; the online key signs snapshot, too.
TUF_ROLES: dict[Role, str] = {"root": "root", "release": "targets", "online": "timestamp"}


def signers(role: Role, keys: KeysSection, repository: Repository, passphrases: Passphrases) -> list[Signer]:
    """Opens all keys of a role that `ota.toml` names; see `load_matching`."""
    root = repository.root
    known = [root.keys[keyid] for keyid in root.roles[TUF_ROLES[role]].keyids]
    return [load_matching(uri, known, passphrases.getter(role, uri)) for uri in getattr(keys, role)]


def release_signer(keys: KeysSection, repository: Repository, passphrases: Passphrases) -> Signer:
    """Opens a key that signs manifests and targets; see `load_matching`."""
    return signers("release", keys, repository, passphrases)[0]


def online_signer(keys: KeysSection, repository: Repository, passphrases: Passphrases) -> Signer:
    """Opens a key that signs snapshot and timestamp; see `load_matching`."""
    return signers("online", keys, repository, passphrases)[0]
