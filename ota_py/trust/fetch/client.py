"""Fetching on the gateway: python-tuf's client workflow, with a pinned root and a journaled floor.

We write no metadata verification ourselves: expiry, rollback, mix-and-match and thresholds are
python-tuf's (https://theupdateframework.github.io/specification/latest/#detailed-client-workflow).
What we add is what it lacks on a box that loses power: it does not fsync its cache, so the versions
seen are also kept in the journal and compared after each refresh.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.ngclient import Updater

from ota_py import errors, names
from ota_py.manifest import FILE_MAX_BYTES, MANIFEST_MAX_BYTES, File
from ota_py.trust import layout
from ota_py.trust.fetch import trusted_set
from ota_py.trust.fetch.available_updates import AvailableUpdate, available
from ota_py.trust.fetch.carriers import Carrier, Fetcher, NoCarrier, carrier_of, patience, within
from ota_py.trust.fetch.floor import Floor, check_floor, check_root
from ota_py.trust.fetch.metadata_limits import LIMITS, LIMITS_BY_ROLE
from ota_py.trust.fetch.tuf_errors import translated
from ota_py.trust.verify import (
    SIGNATURE_FILE_MAX_BYTES,
    VerifiedManifest,
    check_integrity,
    check_keys,
    parse_root,
    verify_manifest,
)

_CACHED_ROLES = (Timestamp.type, Snapshot.type, Targets.type)

# A clock before the making of this software is wrong.
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
_HOUR_SECONDS = 3600
# How many of the newest updates an error names where the requested one does not exist.
_VERSIONS_NAMED = 5


class TrustClient:
    """One gateway's view of the repository.

    Args:
        root: path of the pinned `root.json` (TUF root metadata).
        cache: private directory for metadata; may be emptied at any time without loss of safety.
        repository_url: base URL; `metadata/` and `targets/` lie below. `http:`, `https:` or `file:`.
        floor: see `Floor`.
        carrier: brings the repository's bytes; not given: what fits the URL.
    """

    def __init__(
        self, root: Path, cache: Path, repository_url: str, floor: Floor, carrier: Carrier | None = None
    ) -> None:
        self._pinned = _read_root(root)
        self._metadata_dir = cache / "metadata"
        self._url = repository_url.rstrip("/") + "/"
        self._floor = floor
        self._carrier = carrier or carrier_of(self._url)
        self._updater: Updater | None = None

    def refresh(self) -> None:
        """Bring the metadata up to date: root, timestamp, snapshot, targets; then check the floor.

        Raises:
            RepositoryError: the repository cannot be reached or is not whole.
            FreshnessError: expired, or older than what was seen before.
            SignatureError, TrustError: not signed as the root demands.
        """
        with translated(self._url):
            updater = self._open(self._carrier)
            now = self._now()
            trusted_set.set_time(updater, now)
            before = self._cached()
            updater.refresh()
        self._check_floor(updater, before)
        # Nothing had expired by then, so a clock that runs ahead cannot bring it further than that.
        self._floor.raise_to("time", int(now.timestamp()) // _HOUR_SECONDS)
        self._updater = updater

    def expired(self) -> datetime | None:
        """The time at which this gateway's metadata expired; None where it has none, or it is still valid."""
        found = []
        with contextlib.suppress(DeserializationError):  # a broken cache counts as none
            found = [Metadata.from_bytes(raw).signed.expires for raw in self._cached().values()]
        return min((ended for ended in found if ended <= self._now()), default=None)

    def updates(self) -> list[AvailableUpdate]:
        """All updates of the repository, oldest version first. Refreshes on first use."""
        found = [update for target in self._targets().values() if (update := available(target))]
        return sorted(found, key=lambda update: names.parse_version(update.version))

    def fetch_manifest(self, version: str) -> VerifiedManifest:
        """The manifest of `version`, checked by the targets metadata and by its own signature.

        Raises:
            NotFoundError: the repository has no such update.
            IntegrityError, SignatureError, ManifestError: it is not what was signed.
        """
        path = layout.manifest_path(version)
        if path not in self._targets():
            newest = ", ".join(each.version for each in reversed(self.updates()[-_VERSIONS_NAMED:]))
            raise errors.NotFoundError(
                f"the repository has no update {version}",
                hint=f"the newest there: {newest}" if newest else "nothing is published there yet",
            )
        raw = self.fetch_target(path, MANIFEST_MAX_BYTES)
        signature = self.fetch_target(layout.signature_path(version), SIGNATURE_FILE_MAX_BYTES)
        verified = self.verify_local(raw, signature)
        if verified.manifest.version != version:
            raise errors.IntegrityError(
                f"the manifest at {path} is of version {verified.manifest.version}, expected {version}"
            )
        return verified

    def fetch_file(self, file: File) -> bytes:
        """The bytes of one file of a verified manifest.

        Raises:
            IntegrityError: length or hash differ from the manifest.
            RepositoryError: it cannot be fetched.
        """
        return check_integrity(
            self.fetch_target(file.target, FILE_MAX_BYTES), file.sha256, file.length, f"file {file.dest}"
        )

    def listed(self, path: str) -> TargetFile:
        """The entry of one target in the signed metadata.

        What belongs to an update is listed by the release role itself. Roles that it delegates to (in our
        repositories none) are consulted only for what lies beside the updates.

        Raises:
            RepositoryError: it is not listed, or a delegated role cannot be fetched.
            TrustError: a delegated role is not what was signed, or has a weak key.
        """
        found = self._targets().get(path)
        if found is None and not path.startswith(layout.UPDATES):
            assert self._updater is not None
            with translated(self._url):
                found = self._updater.get_targetinfo(path)
            for delegations in trusted_set.delegations(self._updater):
                check_keys(delegations)
        if found is None:
            raise errors.RepositoryError(f"the repository does not list {path}")
        return found

    def fetch_target(self, path: str, max_bytes: int) -> bytes:
        """The bytes of one target, as it is `listed`.

        Raises:
            IntegrityError: it is not what is listed, or larger than `max_bytes`.
            RepositoryError: it is not listed, or cannot be fetched.
        """
        if (target := self.listed(path)).length > max_bytes:
            raise errors.IntegrityError(f"{path} has {target.length} bytes, the limit is {max_bytes}")
        assert self._updater is not None
        # Private storage that vanishes with the call: what is returned is what was hashed.
        with translated(self._url + path), tempfile.TemporaryDirectory(prefix="ota-") as directory:
            name = os.path.join(directory, "target")
            self._updater.download_target(target, name)
            data = Path(name).read_bytes()
            target.verify_length_and_hashes(data)
        return data

    def stream(self, target: str, sha256: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of a target of a verified manifest from `start` on; the caller checks its hash.

        For what is too large for `fetch_file`, and may have to be fetched piece by piece.

        Raises:
            IntegrityError: the repository lists it with another hash.
            RepositoryError: it cannot be fetched.
        """
        listed = self.listed(target)
        if listed.hashes.get("sha256") != sha256:
            raise errors.IntegrityError(
                f"the repository lists {target} with sha256 {listed.hashes.get('sha256')}, expected {sha256}"
            )
        key = layout.target_key(target, sha256)
        with translated(self._url):
            try:
                yield from within(patience(listed.length), self._carrier.stream(key, start))
            except errors.CarrierError as error:
                raise DownloadError(error.message) from None

    def target_hashes(self, version: str) -> set[str]:
        """The SHA-256 hashes of all targets of an update: manifest, signature, files."""
        prefix = layout.update_prefix(version)
        targets = self._targets().items()
        return {target.hashes["sha256"] for path, target in targets if path.startswith(prefix)}

    def metadata_names(self) -> set[str]:
        """The metadata files behind the last refresh, by name: all roots, and one of each other role."""
        self._targets()
        assert self._updater is not None
        roots = {f"{version}.root.json" for version in range(1, trusted_set.root(self._updater).version + 1)}
        snapshot = trusted_set.snapshot(self._updater).version
        targets = trusted_set.targets(self._updater).version
        return {"timestamp.json", f"{snapshot}.snapshot.json", f"{targets}.targets.json"} | roots

    def verify_local(self, raw: bytes, signature: bytes) -> VerifiedManifest:
        """Check a manifest that came by any way (USB stick, Ansible, network) with the newest trusted root.

        Raises:
            SignatureError, ManifestError: see `ota_py.trust.verify.verify_manifest`.
        """
        return verify_manifest(raw, signature, self._trusted_root())

    def _open(self, carrier: Carrier) -> Updater:
        self._metadata_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Updater(
            str(self._metadata_dir),
            self._url + "metadata/",
            target_base_url=self._url + "targets/",
            fetcher=Fetcher(carrier, self._url, LIMITS_BY_ROLE),
            config=LIMITS,
            bootstrap=self._pinned,
        )

    def _targets(self) -> dict[str, TargetFile]:
        if self._updater is None:
            self.refresh()
        assert self._updater is not None
        return trusted_set.targets(self._updater).targets

    def _trusted_root(self) -> Root:
        """The newest root known: of this refresh, or the end of the cached chain from the pinned one."""
        if self._updater is not None:
            return trusted_set.root(self._updater)
        offline = self._open(NoCarrier())
        with contextlib.suppress(DownloadError, RepositoryError):
            # Walks and verifies the cached chain of roots; ends where the network would be needed.
            offline.refresh()
        root = trusted_set.root(offline)
        check_keys(root)
        check_root(self._floor, root)
        return root

    def _now(self) -> datetime:
        """The time; no earlier than it ever was, or a clock at 1970 would let expired metadata through."""
        seen = datetime.fromtimestamp(self._floor.get("time") * _HOUR_SECONDS, UTC)
        return max(datetime.now(UTC), seen, EARLIEST)

    def _check_floor(self, updater: Updater, before: dict[str, bytes]) -> None:
        """Check the floor; metadata below it does not stay in the cache, where python-tuf has put it."""
        root = trusted_set.root(updater)
        try:
            check_keys(root)
            check_floor(self._floor, root, self._cached())
        except errors.TrustError:
            for role in _CACHED_ROLES:
                path = self._metadata_dir / f"{role}.json"
                path.unlink(missing_ok=True)
                if role in before:
                    path.write_bytes(before[role])
            raise

    def _cached(self) -> dict[str, bytes]:
        """The cached metadata of all roles but root, by role."""
        paths = {role: self._metadata_dir / f"{role}.json" for role in _CACHED_ROLES}
        return {role: path.read_bytes() for role, path in paths.items() if path.is_file()}


def _read_root(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise errors.ConfigError(
            f"cannot read the trust root {path}: {error.strerror}",
            hint="provisioning installs it; run the provision playbook again",
        ) from None
    parse_root(raw)
    return raw
