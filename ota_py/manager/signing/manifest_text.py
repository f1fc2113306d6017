"""The effects of an update beside new files and images, in words for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ota_py.manifest import Compatibility, Manifest


def effect_lines(manifest: Manifest) -> list[str]:
    """The gateways that an update is for, its commands, and its effects on data that no rollback undoes."""
    lines = _fit_lines(manifest.compatibility)
    lines += [f"  {hook.at}, {hook.service or 'on the gateway'}: {' '.join(hook.command)}" for hook in manifest.hooks]
    if manifest.data.migrates:
        lines.append("  migrates data: only for gateways with a database to restore")
    if manifest.data.on_rollback == "keep":
        lines.append("  a rollback leaves the databases as they are")
    return lines


def _fit_lines(fit: Compatibility) -> list[str]:
    wanted: dict[str, Sequence[str]] = {
        "architecture": fit.architectures,
        "hardware": fit.hardware,
        "group": fit.groups,
    }
    lines = [f"  only for {what} {' or '.join(words)}" for what, words in wanted.items() if words]
    if fit.min_version or fit.max_version:
        lowest = f" {fit.min_version} or newer" if fit.min_version else ""
        highest = f" {fit.max_version} or older" if fit.max_version else ""
        lines.append(f"  only from{lowest}{' and' if lowest and highest else ''}{highest}")
    if fit.allow_downgrade:
        lines.append("  MAY REPLACE A NEWER VERSION")
    return lines
