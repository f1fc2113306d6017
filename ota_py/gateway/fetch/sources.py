"""The sources of an update: the repository, a bundle, or files on a stick. Only signatures tell what it is."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ota_py import names
from ota_py.errors import FreshnessError, IncompatibleError, NotFoundError, OtaError
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.fetch import compatibility, freshness
from ota_py.gateway.fetch.bundle import Bundle
from ota_py.gateway.fetch.downloads import TargetStream
from ota_py.gateway.fetch.staging import Fetch
from ota_py.gateway.fetch.trust_client import WatchedTrust
from ota_py.gateway.journal.floor import JournalFloor
from ota_py.gateway.journal.journal import Journal
from ota_py.manifest import FILE_MAX_BYTES, MANIFEST_MAX_BYTES, File
from ota_py.trust.fetch.carriers import carrier_of
from ota_py.trust.fetch.client import TrustClient
from ota_py.trust.fetch.transfer import Throttle
from ota_py.trust.verify import SIGNATURE_FILE_MAX_BYTES, VerifiedManifest, check_integrity

PIECE_BYTES = 256 * 1024


@dataclass(frozen=True)
class UpdateSource:
    """The source of an update: its verified manifest, and the functions that fetch the files that it names.

    Attributes:
        fetch: gives the checked bytes of a file.
        stream: gives the bytes of a large target piece by piece; the caller checks their hash.
        bundle: has the images, too; the caller closes it.
    """

    verified: VerifiedManifest
    fetch: Fetch
    stream: TargetStream
    bundle: Bundle | None = None


def trust_client(config: GatewayConfig, journal: Journal) -> TrustClient:
    """This gateway's client of the repository."""
    url = config.repository_url.rstrip("/") + "/"
    carrier = carrier_of(url, throttle(config))
    return WatchedTrust(config.root, config.trust_dir, url, journal, carrier)


def throttle(config: GatewayConfig) -> Throttle:
    """The bandwidth limit of all that this process fetches; one object for all callers."""
    return _throttle(config.fetch.bandwidth_kib)


@functools.cache
def _throttle(kib_per_second: int | None) -> Throttle:
    return Throttle(kib_per_second and kib_per_second * 1024)


def from_repository(trust: TrustClient, version: str) -> UpdateSource:
    """The update of a version in the repository."""
    names.parse_version(version)
    trust.refresh()
    return UpdateSource(trust.fetch_manifest(version), trust.fetch_file, trust.stream)


def from_file(trust: TrustClient, path: Path) -> UpdateSource:
    """An update whose manifest lies at `path`, its signature at `path` + `.sig`.

    Its files are taken from `files/` beside it where they exist, and gateway software from `agent/`, else
    from the repository.
    """
    raw = _read(path, MANIFEST_MAX_BYTES)
    signature = _read(path.with_name(path.name + ".sig"), SIGNATURE_FILE_MAX_BYTES)
    verified = trust.verify_local(raw, signature)

    def fetch(file: File) -> bytes:
        beside = path.parent / "files" / file.dest
        if not beside.exists():
            return trust.fetch_file(file)
        data = _read(beside, FILE_MAX_BYTES)
        return check_integrity(data, file.sha256, file.length, f"file {file.dest}")

    def stream(target: str, sha256: str, start: int) -> Iterator[bytes]:
        beside = path.parent / "agent" / PurePosixPath(target).name
        return _pieces(beside, start) if beside.exists() else trust.stream(target, sha256, start)

    return UpdateSource(verified, fetch, stream)


def from_bundle(config: GatewayConfig, journal: Journal, path: Path) -> UpdateSource:
    """The update in a bundle: checked as one from the repository is, and whole, with no network at all.

    Raises:
        FreshnessError: its metadata has expired, or is older than what this gateway has seen.
        IntegrityError, SignatureError, TrustError: it is not what was signed, or has more than that.
        NotFoundError: a file is missing in it.
    """
    opened = Bundle(path)
    try:
        trust = TrustClient(config.root, config.trust_dir, f"bundle:{path}", JournalFloor(journal), opened)
        trust.refresh()
        freshness.record_problem(journal, "")  # what it brought is fresh
        verified = trust.fetch_manifest(opened.version)
        opened.check(
            verified.manifest,
            trust.target_hashes(opened.version),
            trust.metadata_names(),
            config.architecture,
        )
    except FreshnessError as error:
        opened.close()
        raise FreshnessError(
            f"the bundle {path} is too old: {error.message}",
            hint="get a new one: `ota_manager.py export-bundle` makes it with fresh metadata",
        ) from None
    except BaseException:
        opened.close()
        raise
    return UpdateSource(verified, trust.fetch_file, trust.stream, opened)


def newest(trust: TrustClient, config: GatewayConfig, journal: Journal) -> UpdateSource | None:
    """The newest update of the repository that this gateway would take, or None."""
    installed, bad = journal.installed_version, journal.known_bad()
    trust.refresh()
    for update in reversed(trust.updates()):
        if names.parse_version(update.version) <= names.parse_version(installed):
            return None
        source = UpdateSource(trust.fetch_manifest(update.version), trust.fetch_file, trust.stream)
        try:
            compatibility.check(source.verified.manifest, config, installed, bad)
            return source
        except IncompatibleError:
            continue
    return None


def _pieces(path: Path, start: int) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            file.seek(start)
            while piece := file.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        raise OtaError(f"cannot read {path}: {error.strerror}") from None


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise NotFoundError(f"{path} does not exist") from None
    except OSError as error:
        raise OtaError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > max_bytes:
        raise OtaError(f"{path} is larger than {max_bytes} bytes")
    return data
