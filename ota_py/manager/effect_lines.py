"""What an update does beside replacing files and images, in words for people. Pure."""

from __future__ import annotations

from ota_py.manifest import Manifest


def effect_lines(manifest: Manifest) -> list[str]:
    """The commands that it runs, and what it does to data; no line where a rollback restores it all."""
    lines = [
        f"  {hook.at}, {hook.service or 'on the gateway'}: {' '.join(hook.command)}"
        for hook in manifest.hooks
    ]
    if manifest.data.migrates:
        lines.append("  migrates data: only for gateways with a database to restore")
    if manifest.data.on_rollback == "keep":
        lines.append("  a rollback leaves the databases as they are")
    return lines
