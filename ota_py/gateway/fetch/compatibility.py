"""Whether a genuine update is for this gateway. Pure."""

from __future__ import annotations

from collections.abc import Collection

from ota_py import names
from ota_py.errors import IncompatibleError, KnownBadError
from ota_py.gateway.config.model import GatewayConfig
from ota_py.manifest import Manifest


def check(
    manifest: Manifest,
    config: GatewayConfig,
    installed: str,
    known_bad: Collection[str],
    *,
    force: bool = False,
) -> None:
    """Refuse an update that is for another gateway, goes backwards, or was rolled back here before.

    Args:
        installed: the version that runs now.
        known_bad: versions that were rolled back on this gateway.
        force: try a known-bad version once more; nothing else is forced.

    Raises:
        IncompatibleError, KnownBadError: with what was expected and what was got.
    """
    version = manifest.version
    if manifest.fleet != config.fleet:
        raise IncompatibleError(
            f"update {version} is for the fleet {manifest.fleet!r}, this gateway is of {config.fleet!r}"
        )
    wanted = manifest.compatibility
    _one_of("architecture", config.architecture, wanted.architectures, version)
    _one_of("hardware", config.hardware or "none", wanted.hardware, version)
    if wanted.groups and not set(wanted.groups) & set(config.groups):
        raise IncompatibleError(
            f"update {version} is for the groups {', '.join(wanted.groups)}, "
            f"this gateway is in {', '.join(config.groups) or 'none'}"
        )
    _check_version(manifest, installed)
    if manifest.data.migrates and not config.databases:
        raise IncompatibleError(
            f"update {version} migrates data, and this gateway has no database that a rollback could restore",
            hint="name its databases in [[databases]] of the gateway's configuration",
        )
    if version in known_bad and not force:
        raise KnownBadError(
            f"update {version} was rolled back on this gateway before",
            hint=f"to try it once more: ota_client.py update --version {version} --force",
        )


def _one_of(what: str, got: str, expected: Collection[str], version: str) -> None:
    if expected and got not in expected:
        raise IncompatibleError(
            f"update {version} is for the {what} {' or '.join(sorted(expected))}, this gateway has {got}"
        )


def _check_version(manifest: Manifest, installed: str) -> None:
    version, runs = names.parse_version(manifest.version), names.parse_version(installed)
    if version < runs and not manifest.compatibility.allow_downgrade:
        raise IncompatibleError(
            f"update {version} is older than the installed {runs}",
            hint="to go back to the version before: ota_client.py rollback",
        )
    oldest = manifest.compatibility.min_version
    if oldest and runs < names.parse_version(oldest):
        raise IncompatibleError(
            f"update {version} needs at least version {oldest}, this gateway runs {runs}",
            hint=f"update to {oldest} or newer first",
        )
    newest = manifest.compatibility.max_version
    if newest and runs > names.parse_version(newest):
        raise IncompatibleError(
            f"update {version} is for versions up to {newest}, this gateway runs {runs}",
            hint="it needs another update; the operator knows which",
        )
