"""Updates that are published, and checks of what may be published next."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ota_py import names
from ota_py.errors import ConflictError, NotFoundError, UsageError
from ota_py.manager.controlplane.client import ControlPlane
from ota_py.manifest import File, Sbom, Wheelhouse
from ota_py.trust import layout
from ota_py.trust.large_files import check_file
from ota_py.trust.repository.repository import Repository
from ota_py.trust.verify import VerifiedManifest, check_integrity

VERSIONS_NAMED = 5


def published_manifest(repository: Repository, version: str) -> VerifiedManifest:
    """A published manifest, verified.

    Raises:
        NotFoundError: it is not published; the hint names what is.
        TrustError: the store's bytes are not what was signed.
    """
    published = repository.versions()
    if version not in published:
        newest = ", ".join(reversed(published[-VERSIONS_NAMED:]))
        raise NotFoundError(
            f"update {version} is not published in {repository.store.url}",
            hint=f"the newest there: {newest}" if newest else "nothing is published there yet",
        )
    return repository.manifest(version)


def step_left_out_warning(repository: Repository, version: str, lowest: str | None) -> str | None:
    """A warning where gateways could jump to an update over a step that the update before it demands, or None.

    Args:
        lowest: its oldest version to update from.
    """
    new = names.parse_version(version)
    before = [each for each in repository.versions() if names.parse_version(each) < new]
    needed = repository.manifest(before[-1]).manifest.compatibility.min_version if before else None
    if needed is None or (lowest is not None and names.parse_version(lowest) >= names.parse_version(needed)):
        return None
    taken = f"is for {lowest} and newer" if lowest else "is for any version"
    return (
        f"{before[-1]} needs at least version {needed}, and {version} {taken}: gateways older than {needed} "
        f"would jump over it; --min-version {needed} keeps them from that"
    )


def published_file(repository: Repository, file: File | Sbom) -> bytes:
    """The bytes of a file or an SBOM that a published manifest names.

    Raises:
        NotFoundError: it is not in the store.
        IntegrityError: it is not what was signed.
    """
    data = repository.store.get(layout.target_key(file.target, file.sha256))
    return check_integrity(data, file.sha256, file.length, file.what)


def check_wheelhouse(repository: Repository, wheelhouse: Wheelhouse) -> None:
    """Check a wheelhouse that a published manifest names; it is fetched into a file that is then removed.

    Raises:
        NotFoundError: it is not in the store.
        IntegrityError: it is not what was signed.
    """
    with tempfile.TemporaryDirectory(prefix="ota-") as directory:
        path = Path(directory) / "wheelhouse"
        repository.store.get_file(layout.target_key(wheelhouse.target, wheelhouse.sha256), path)
        check_file(path, wheelhouse.sha256, wheelhouse.length, wheelhouse.what)


def check_version(text: str, repository: Repository, control_plane: ControlPlane, *, allow_older: bool) -> bool:
    """Whether an earlier attempt published this version without registering it.

    Raises:
        UsageError: not a semantic version, or not newer than every published one.
        ConflictError: it exists.
    """
    version = names.parse_version(text)
    published = repository.versions()
    if _registered(control_plane, text):
        raise ConflictError(
            f"update {text} exists already",
            hint=f"a version is never replaced: use a newer one, such as {version.bump_patch()}",
        )
    if text in published:
        return True
    newest = published[-1] if published else None
    if newest and version <= names.parse_version(newest) and not allow_older:
        raise UsageError(
            f"version {text} is not newer than {newest}, which is published",
            hint=f"use a newer one, such as {names.parse_version(newest).bump_patch()}; "
            "--allow-downgrade is for an update that shall replace newer versions",
        )
    return False


def _registered(control_plane: ControlPlane, version: str) -> bool:
    try:
        control_plane.update(version)
    except NotFoundError:
        return False
    return True
