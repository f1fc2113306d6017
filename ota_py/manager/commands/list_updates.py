"""`list-updates`: the updates that were created, and their state."""

from __future__ import annotations

from typing import Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.context import CommandContext


@click.command("list-updates")
@json_option
@click.pass_obj
def command(context: CommandContext, /, *, as_json: bool) -> None:
    """List the updates that the control plane knows, newest first.

    STAGED: no rollout yet. RELEASED: a rollout was started. WITHDRAWN: no rollout may start.
    Notes: what a rollback does to data, and at which points the update runs commands of its own.

    \b
    Examples:
      ota_manager.py list-updates
      ota_manager.py list-updates --json | jq -r '.updates[].version'
    """
    from ota_py.manager.console.table import echo_table

    updates = context.control_plane.updates()
    if as_json:
        echo_json({"updates": updates})
        return
    rows = [
        (
            *(u["version"], u["state"], u["critical"], u["created"]),
            *(sorted(u["images"]), u["agent_version"], _notes(u), u["description"]),
        )
        for u in updates
    ]
    header = ("version", "state", "critical", "created", "services", "agent", "notes", "description")
    echo_table(header, rows, "There are no updates yet; `ota_manager.py create-update --help` shows how.")


def _notes(update: dict[str, Any]) -> list[str]:
    """Notes for a person before a rollout: what becomes of data, and at which points hooks run."""
    notes = ["migrates data"] if update["migrates"] else []
    notes += ["rollback keeps data"] if update["on_rollback"] == "keep" else []
    points = list(dict.fromkeys(update["hooks"]))  # several hooks may run at one point
    return notes + ([f"hooks {' '.join(points)}"] if points else [])
