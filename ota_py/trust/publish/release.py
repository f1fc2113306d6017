"""Releasing an update: its signing request, the upload of its files, and its publication in the repository.

The list of updates that is signed follows from the published one and from the manifest alone, so a request
can be checked against the repository.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, TargetFile, Targets

from ota_py.errors import ConflictError, NotFoundError
from ota_py.manifest import Manifest, parse_manifest
from ota_py.trust import layout
from ota_py.trust.documents.metadata import JSON, OnlineSigners
from ota_py.trust.documents.root_change import payload_of
from ota_py.trust.documents.signatures import (
    Signing,
    list_document,
    manifest_documents,
    signature_bytes,
    with_signature_files,
)
from ota_py.trust.documents.signing_request import SignedDocument, SigningRequest
from ota_py.trust.large_files import check_file
from ota_py.trust.publish.freshen import OVERTAKEN, lead_to
from ota_py.trust.publish.root import check_complete
from ota_py.trust.repository.metadata_versions import free_version
from ota_py.trust.repository.repository import Repository
from ota_py.trust.verify import check_integrity, verify_manifest


def release_request(repository: Repository, raw: bytes, now: datetime) -> SigningRequest:
    """The signing request for the publication of an update; nothing is written.

    Args:
        raw: the manifest's bytes.
        now: with time zone; the list's expiry counts from here.

    Raises:
        ConflictError: the version is published already.
        ManifestError: the manifest is malformed.
    """
    manifest = parse_manifest(raw)
    if manifest.version in repository.versions():
        raise ConflictError(
            f"update {manifest.version} is published already",
            hint="a version is never replaced; use a new one",
        )
    documents = (
        SignedDocument(layout.manifest_path(manifest.version), "targets", raw),
        _next_list(repository, with_update(repository.targets, manifest, raw), now),
    )
    title = f"update {manifest.version} of {manifest.fleet}"
    return SigningRequest("release", title, repository.root_raw, documents)


def renewal_request(repository: Repository, fleet: str, now: datetime) -> SigningRequest:
    """The signing request that renews the list of updates, whose content stays."""
    document = _next_list(repository, deepcopy(repository.targets), now)
    title = f"list of updates of {fleet}, renewed"
    return SigningRequest("release", title, repository.root_raw, (document,))


def with_update(targets: Targets, manifest: Manifest, raw: bytes) -> Targets:
    """A list of updates with one more, yet without its signature file, whose bytes are not known before signing."""
    changed = deepcopy(targets)
    for named in manifest.targets:
        changed.targets[named.target] = TargetFile(named.length, {"sha256": named.sha256}, named.target)
    path = layout.manifest_path(manifest.version)
    entry = TargetFile.from_data(path, raw, ["sha256"])
    entry.unrecognized_fields["custom"] = {"version": manifest.version, "critical": manifest.critical}
    changed.targets[path] = entry
    return changed


def _next_list(repository: Repository, targets: Targets, now: datetime) -> SignedDocument:
    targets.version = free_version(repository.store, Targets.type, repository.targets.version)
    targets.expires = repository.lifetimes.until(Targets.type, now)
    return SignedDocument(f"{targets.version}.targets.json", "targets", Metadata(targets).signed_bytes)


def upload(repository: Repository, manifest: Manifest, files: Mapping[str, bytes | Path]) -> None:
    """Put the files of an update into the store; until it is listed, no gateway can use them.

    Args:
        files: content by target path, large ones as a file; exactly those that the manifest names.

    Raises:
        IntegrityError: a file is not what the manifest names.
        StoreError: the store failed; run it again.
    """
    for named in manifest.targets:
        data = files[named.target]
        key = layout.target_key(named.target, named.sha256)
        if isinstance(data, bytes):
            check_integrity(data, named.sha256, named.length, named.what)
            repository.store.put(key, data, _content_type(key))
        else:
            check_file(data, named.sha256, named.length, named.what)
            repository.store.put_file(key, data, _content_type(key))


def is_current(repository: Repository, request: SigningRequest, now: datetime) -> bool:
    """Whether a request's list of updates is the published one plus the request's update, and has not expired."""
    document = list_document(request)
    if document is None:
        return False
    listed, expected = document.parsed(Targets), repository.targets
    requested = dict(listed.targets)
    for each in manifest_documents(request):
        manifest = parse_manifest(each.payload)
        expected = with_update(expected, manifest, each.payload)
        requested.pop(layout.signature_path(manifest.version), None)
    return (
        requested == expected.targets
        and listed.expires > now
        and listed.version > repository.targets.version
        and document.name == f"{listed.version}.targets.json"
    )


def on_newest_list(repository: Repository, request: SigningRequest, now: datetime) -> SigningRequest:
    """The request, based on the newest published list; signatures of its manifest stay, those of its list do not.

    Raises:
        ConflictError: the version was published meanwhile, or the keys changed.
    """
    check_root(repository, request)
    manifests = manifest_documents(request)
    if not manifests:
        document = _next_list(repository, deepcopy(repository.targets), now)
        return replace(request, documents=(document,))
    fresh = release_request(repository, manifests[0].payload, now)
    documents = (manifests[0], fresh.documents[1])
    return with_signature_files(replace(request, documents=documents), repository.root)


def check_root(repository: Repository, request: SigningRequest) -> None:
    """Check that the repository's keys are those that the request was made for.

    Raises:
        ConflictError: they changed.
    """
    before = Signing(request).before
    if payload_of(before) != payload_of(repository.root):
        raise ConflictError(
            f"root is at version {repository.root.version} in {repository.store.url}, and this request was "
            f"made for version {before.version}",
            hint="the keys changed meanwhile: run create-update again",
        )


def publish_request(repository: Repository, request: SigningRequest, online: OnlineSigners, now: datetime) -> None:
    """Publish a request that enough release keys signed; after an error it can simply be run again.

    Args:
        request: current, see `is_current`; its files are uploaded.
        now: with time zone.

    Raises:
        SignatureError: signatures are missing; it names them.
        ConflictError: something else was published, or the keys changed.
        NotFoundError: a file of the update is not in the store.
        KeyFileError: too few of the online keys are here, or one refused.
        StoreError: the store failed; no gateway sees anything of the update.
    """
    check_root(repository, request)
    check_complete(Signing(request))
    document = list_document(request)
    if document is None or not is_current(repository, request, now):
        raise ConflictError(OVERTAKEN, hint="run the same command again")
    for manifest in manifest_documents(request):
        _put_manifest(repository, manifest, signature_bytes(manifest, repository.root))
    raw = _put_list(repository, document)
    lead_to(repository, document.parsed(Targets).version, raw, online, now)


def release(
    repository: Repository,
    raw: bytes,
    files: Mapping[str, bytes | Path],
    signers: Sequence[Signer],
    online: OnlineSigners,
    now: datetime,
) -> None:
    """Sign and publish an update where all keys that it needs are here; see `publish_request`."""
    request = Signing(release_request(repository, raw, now)).signed_by(signers)
    check_complete(Signing(request))
    upload(repository, parse_manifest(raw), files)
    publish_request(repository, request, online, now)


def _put_manifest(repository: Repository, document: SignedDocument, signature: bytes) -> None:
    store = repository.store
    manifest = verify_manifest(document.payload, signature, repository.root).manifest
    there = set(store.list(layout.TARGETS + layout.update_prefix(manifest.version)))
    for named in manifest.targets:
        if layout.target_key(named.target, named.sha256) not in there:
            raise NotFoundError(
                f"{named.what} of update {manifest.version} is not in {store.url}",
                hint="run create-update again where the file is: it uploads it",
            )
    for path, data in (
        (layout.manifest_path(manifest.version), document.payload),
        (layout.signature_path(manifest.version), signature),
    ):
        sha256 = TargetFile.from_data(path, data, ["sha256"]).hashes["sha256"]
        store.put(layout.target_key(path, sha256), data, JSON)


def _put_list(repository: Repository, document: SignedDocument) -> bytes:
    """Write the list of updates; returns its bytes, those of an earlier try where there was one."""
    key = layout.METADATA + document.name
    raw = document.envelope(repository.root)
    try:
        repository.store.put_new(key, raw, JSON)
    except ConflictError:
        there = repository.store.get(key)
        if Metadata[Targets].from_bytes(there).signed_bytes != document.payload:
            raise ConflictError(OVERTAKEN, hint="run the same command again") from None
        return there
    return raw


def _content_type(path: str) -> str:
    return JSON if path.endswith(".json") else "application/octet-stream"
