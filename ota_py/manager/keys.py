"""The fleet's private keys, as `ota.toml` names them."""

from __future__ import annotations

from securesystemslib.signer import Signer

from ota_py.manager.config import KeysSection
from ota_py.manager.secrets import Passphrases
from ota_py.trust.repository import Repository
from ota_py.trust.signers import load_signer


def release_signer(keys: KeysSection, repository: Repository, passphrases: Passphrases) -> Signer:
    """Opens the key that signs manifests and targets; see `load_signer`."""
    return load_signer(keys.release, repository.release_key(), passphrases.getter("release"))


def online_signer(keys: KeysSection, repository: Repository, passphrases: Passphrases) -> Signer:
    """Opens the key that signs snapshot and timestamp; see `load_signer`."""
    return load_signer(keys.online, repository.online_key(), passphrases.getter("online"))
