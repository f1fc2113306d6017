"""Releasing an update: signed, published and registered, by one person or by several.

An update is signed with every release key on this machine. When those are enough, it is published and
registered as STAGED; else a signing request goes to a file, which others sign and `publish` publishes. Until the
last write, of timestamp.json, no gateway can install anything of it; the same command run again finishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer

from ota_py.errors import ConflictError
from ota_py.manager.config.model import KeysSection, Role
from ota_py.manager.config.secrets import Passphrases
from ota_py.manager.controlplane.client import Json
from ota_py.manager.controlplane.update_records import record_of
from ota_py.manager.release.prepare import Destinations, Prepared
from ota_py.manager.signing.local_keys import GIVEN, keys_here, online_signers, open_keys
from ota_py.manifest import parse_manifest
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.documents.root_change import ONLINE, role_keys
from ota_py.trust.documents.signatures import TARGETS_NAME, Signing, manifest_documents
from ota_py.trust.documents.signing_request import SigningRequest, write_request
from ota_py.trust.publish.release import (
    is_current,
    on_newest_list,
    publish_request,
    release_request,
    renewal_request,
    upload,
)
from ota_py.trust.publish.root import check_complete
from ota_py.trust.repository.repository import Repository

PrintLine = Callable[[str], None]


@dataclass(frozen=True)
class Keys:
    """The private keys on this machine.

    Attributes:
        section: those of ota.toml.
        given: URIs of further ones.
    """

    section: KeysSection
    passphrases: Passphrases
    given: Sequence[str] = ()

    def available(self, role: Role, repository: Repository) -> list[Signer]:
        """Signers of a role whose private keys are on this machine; may be empty.

        Raises:
            KeyFileError: a key cannot be used.
        """
        known = role_keys(repository.root, role).keys
        found = keys_here(self.section.of(role), known, role, self.passphrases)
        return found + [signer for uri in self.given for signer in keys_here([uri], known, GIVEN, self.passphrases)]

    def required(self, role: Role, repository: Repository) -> list[Signer]:
        """Signers of a role whose private keys are on this machine; at least one.

        Raises:
            KeyFileError: none is, or one cannot be used.
        """
        known = role_keys(repository.root, role).keys
        return self.available(role, repository) or open_keys(self.section.of(role), known, role, self.passphrases)

    def online(self, repository: Repository, *, must: bool = False) -> OnlineSigners:
        """Signers of snapshot and timestamp whose private keys are on this machine; see `available`.

        Raises:
            KeyFileError: a key cannot be used, or too few are here and they `must` be.
        """
        found = online_signers(self.section, repository.root, self.given, self.passphrases)
        if must:
            found.require(repository.root, *ONLINE)
        return found


@dataclass(frozen=True)
class Released:
    """The end of a release: published, or a signing request for others.

    Attributes:
        signing: the request as it is now, and who must sign it.
        file: where it waits for others; None: it is published.
        update: the control plane's record, where an update was published.
    """

    signing: Signing
    file: Path | None = None
    update: Json | None = None


def create(
    prepared: Prepared, places: Destinations, keys: Keys, file: Path | None, now: datetime, print_line: PrintLine
) -> Released:
    """Sign a prepared update and publish it, or write it to a file for the others who must sign.

    Args:
        file: where to; given, it is no error that no key is here.

    Raises:
        KeyFileError: a key is not here or refused to sign; nothing was written.
        ConflictError: somebody else published at this moment; run it again.
        StoreError: no gateway sees anything of the update; run it again.
        ControlPlaneError: published, but not registered, so no rollout can use it; run it again.
    """
    repository, manifest = places.repository, prepared.manifest
    raw = manifest.to_bytes()
    if prepared.published:
        return _registered(places, raw, print_line)
    signers = keys.available("release", repository) if file else keys.required("release", repository)
    signing = Signing(Signing(release_request(repository, raw, now)).signed_by(signers))
    print_line(f"signed with {_names(signers)}")
    online = keys.online(repository, must=file is None)
    upload(repository, manifest, prepared.files)
    if signing.missing() or online.lacking(repository.root):
        return _pass_on(signing, file or Path(f"update-{manifest.version}.request.json"))
    publish_request(repository, signing.request, online, now)
    print_line(f"published to {repository.store.url}")
    return Released(signing, update=_register(places, manifest.version, print_line))


def renew_list(
    repository: Repository, fleet: str, keys: Keys, file: Path | None, now: datetime, print_line: PrintLine
) -> Released:
    """Sign the list of updates anew, so that it does not expire; its content stays. See `create`."""
    signers = keys.available("release", repository) if file else keys.required("release", repository)
    signing = Signing(Signing(renewal_request(repository, fleet, now)).signed_by(signers))
    print_line(f"signed with {_names(signers)}")
    online = keys.online(repository, must=file is None)
    if signing.missing() or online.lacking(repository.root):
        return _pass_on(signing, file or Path(f"list-{repository.targets.version + 1}.request.json"))
    publish_request(repository, signing.request, online, now)
    return Released(signing)


def publish(
    request: SigningRequest, file: Path, places: Destinations, keys: Keys, now: datetime, print_line: PrintLine
) -> Released:
    """Publish a signing request that others have signed.

    The list of updates, which follows from the signed manifest and what is published, is signed here, too.
    Where something else was published since the request was made, it is made anew for that; the signatures
    of the update itself stay.

    Raises:
        SignatureError: too few signed the update itself.
        ConflictError: the version is published with other content, or the keys changed.
        KeyFileError, StoreError, ControlPlaneError: see `create`.
    """
    repository = places.repository
    manifests = [each.payload for each in manifest_documents(request)]
    if manifests and parse_manifest(manifests[0]).version in repository.versions():
        return _registered(places, manifests[0], print_line)
    if any(not each.document.endswith(TARGETS_NAME) for each in Signing(request).missing()):
        check_complete(Signing(request))
    if not is_current(repository, request, now):
        request = on_newest_list(repository, request, now)
        print_line("something else was published since, or it is too old: the list of updates is made anew")
    signing = Signing(Signing(request).signed_by(keys.available("release", repository)))
    if signing.missing():
        return _pass_on(signing, file)
    publish_request(repository, signing.request, keys.online(repository), now)
    print_line(f"published to {repository.store.url}")
    if not manifests:
        return Released(signing)
    return Released(signing, update=_register(places, parse_manifest(manifests[0]).version, print_line))


def _pass_on(signing: Signing, file: Path) -> Released:
    write_request(signing.request, file)
    return Released(signing, file)


def _registered(places: Destinations, raw: bytes, print_line: PrintLine) -> Released:
    """Finish an earlier attempt that published exactly this manifest: register it."""
    version = parse_manifest(raw).version
    verified = places.repository.manifest(version)
    if verified.raw != raw:
        raise ConflictError(
            f"update {version} is published with other content than this",
            hint="a version is never replaced: use a newer one",
        )
    print_line(f"{version} is in {places.repository.store.url} from an earlier attempt")
    signing = Signing(SigningRequest("release", "", places.repository.root_raw, ()))
    return Released(signing, update=_register(places, version, print_line))


def _register(places: Destinations, version: str, print_line: PrintLine) -> Json:
    update = places.control_plane.register_update(record_of(places.repository, version))
    print_line("registered at the control plane as STAGED")
    return update


def _names(signers: Sequence[Signer]) -> str:
    ids = ", ".join(signer.public_key.keyid[:16] for signer in signers)
    return f"the release key {ids}" if len(signers) == 1 else f"the release keys {ids}" if ids else "no key"


def released_json(done: Released) -> dict[str, Any]:
    """The end of a release as JSON, for programs."""
    return {
        "published": done.file is None,
        "request": str(done.file) if done.file else None,
        "missing": [vars(each) for each in done.signing.missing()] if done.file else [],
        "update": done.update,
    }
