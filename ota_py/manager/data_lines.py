"""What an update does to data, in words for the operator."""

from __future__ import annotations

from ota_py.manifest import Data


def data_lines(data: Data) -> list[str]:
    """What is worth a line: nothing where a rollback restores data that no migration changed."""
    lines = []
    if data.migrates:
        lines.append("migrates data: only for gateways with a database to restore")
    if data.on_rollback == "keep":
        lines.append("a rollback leaves the databases as they are")
    return lines
