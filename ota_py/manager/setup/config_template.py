"""The first `ota.toml`, as text with comments for the person who edits it later. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

HEADER = """\
# Configuration of ota_manager.py. Relative paths start from this file's directory.
# Every key: docs/operator-guide.md.
"""

COMMENTS = {
    "repository": "Where signed updates are published, and how gateways reach the same place.",
    "keys": "Private keys. Move the root key to a safe place: it is needed only to replace other keys.",
    "registry": "Where the tags of --images are resolved.",
    "control_plane": "The API that `serve` answers, and the operator's token for it.",
    "server": "What `serve` runs.",
    "server.mqtt": "The broker that wakes gateways.",
    "ansible": "The inventory that `rollout` uses.",
    "defaults": "Defaults of create-update.",
}

Value = str | int | list[str] | None


def render_config(fleet: str, tables: Mapping[str, Mapping[str, Value]]) -> str:
    """The text of an `ota.toml`; empty values are left out, and so are tables without any."""
    parts = [HEADER, f"fleet = {_toml(fleet)}\n"]
    for name, table in tables.items():
        lines = [f"{key} = {_toml(value)}" for key, value in table.items() if value not in (None, "", [])]
        if lines:
            parts.append("\n".join([f"\n# {COMMENTS[name]}", f"[{name}]", *lines, ""]))
    return "".join(parts)


def _toml(value: Value) -> str:
    # JSON's strings, integers and arrays of strings are TOML's, once nothing is escaped as a surrogate pair.
    return json.dumps(value, ensure_ascii=False)
