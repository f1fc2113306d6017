"""Signing and publishing a change of root, at once or by a file that people pass on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import Signer

from ota_py.errors import ConfigError, ControlPlaneError, OtaError
from ota_py.manager.config.model import KeysSection
from ota_py.manager.config.root_file import name_keys, replace_file, wanted_uris
from ota_py.manager.config.secrets import Passphrases
from ota_py.manager.context import CommandContext
from ota_py.manager.controlplane.update_records import report_signers
from ota_py.manager.signing.local_keys import GIVEN, keys_here, online_signers, open_keys
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.documents.root_change import role_keys
from ota_py.trust.documents.signatures import Signing
from ota_py.trust.documents.signing_request import SigningRequest, write_request
from ota_py.trust.publish.root import publish_root, to_sign_online
from ota_py.trust.repository.repository import Repository


@dataclass(frozen=True)
class Published:
    """The outcome of a published change of root, beside the new root itself.

    Attributes:
        version: of root.
        renamed: the keys that ota.toml names now, by role, where that changed.
        problems: what the operator must still do.
    """

    version: int
    renamed: dict[str, list[str]]
    problems: list[OtaError]


def sign_here(
    request: SigningRequest,
    keys: KeysSection | None,
    given: Sequence[str],
    passphrases: Passphrases,
    maybe: Sequence[str] = (),
) -> SigningRequest:
    """Sign a request with all keys on this machine that it needs.

    Args:
        keys: the keys of ota.toml, where there is one; those that are elsewhere are left out.
        given: URIs of further keys, each of which must be one that may sign.
        maybe: URIs of keys that sign if they are such.

    Raises:
        KeyMismatchError: a given key is none of those that may sign.
        KeyFileError: a key cannot be used.
    """
    signing = Signing(request)
    known = signing.keys()
    signers: list[Signer] = [signer for uri in given for signer in open_keys([uri], known, GIVEN, passphrases)]
    for uri in maybe:
        signers += keys_here([uri], known, GIVEN, passphrases)
    if keys:
        for role in ("root", "release"):
            signers += keys_here(keys.of(role), known, role, passphrases)
    return signing.signed_by(signers)


def publish_change(
    context: CommandContext,
    request: SigningRequest,
    given: Sequence[str],
    passphrases: Passphrases,
    now: datetime,
    file: Path,
    new: Mapping[str, Sequence[str]] | None = None,
) -> Published:
    """Bring a fully signed change of root into the store, then into root.json and ota.toml.

    It is reported to the control plane whose signatures of updates count now; where that is away, nothing waits.

    Args:
        given: URIs of keys that ota.toml does not name; online keys may be among them.
        file: where the request is, or goes to if `publish FILE` must be run again.
        new: URIs of new keys by role, which ota.toml is to name.

    Raises:
        SignatureError, ConflictError, KeyFileError, StoreError: see `publish_root`.
    """
    signing = Signing(request)
    online = OnlineSigners()
    if to_sign_online(context.store, signing):
        online = online_signers(context.config.keys, signing.after, given, passphrases)
    raw = publish_root(context.store, request, online, now, context.config.expiry.lifetimes)
    replace_file(context.config.repository.root, raw)
    wanted = wanted_uris(context.config, signing.after, new or {})
    problems: list[OtaError] = []
    if wanted:
        try:
            name_keys(context.config, wanted)
        except ConfigError as error:
            problems.append(error)
    if role_keys(signing.before, "release") != role_keys(signing.after, "release"):
        problems += _report_signers(context, request, raw, file)
    return Published(signing.after.version, wanted, problems)


def _report_signers(context: CommandContext, request: SigningRequest, root: bytes, file: Path) -> list[OtaError]:
    """Report to the control plane whose signatures count; returns the error where that fails."""
    try:
        report_signers(context.control_plane, Repository(context.store, root, context.config.expiry.lifetimes))
    except OtaError as error:
        write_request(request, file)
        return [
            ControlPlaneError(
                f"the control plane shows who signed updates before this change ({error.message})",
                hint=f"when it can be reached, run `ota_manager.py publish {file}`",
            )
        ]
    return []


def request_path(signing: Signing, option: Path | None) -> Path:
    """The path of the signing request that people pass on."""
    return option or Path(f"root-{signing.after.version}.request.json")
