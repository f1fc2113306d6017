"""`list-updates`: what was created, and what became of it."""

from __future__ import annotations

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.parts import Parts


@click.command("list-updates")
@json_option
@click.pass_obj
def command(parts: Parts, /, *, as_json: bool) -> None:
    """List the updates that the control plane knows, newest first.

    STAGED: no rollout yet. RELEASED: a rollout was started. WITHDRAWN: no rollout may start.

    \b
    Examples:
      ota_manager.py list-updates
      ota_manager.py list-updates --json | jq -r '.updates[].version'
    """
    from ota_py.manager.table import echo_table

    updates = parts.control_plane.updates()
    if as_json:
        echo_json({"updates": updates})
        return
    rows = [
        (
            *(u["version"], u["state"], u["critical"], u["created"]),
            *(sorted(u["images"]), u["agent_version"], u["description"]),
        )
        for u in updates
    ]
    header = ("version", "state", "critical", "created", "services", "agent", "description")
    echo_table(header, rows, "There are no updates yet; `ota_manager.py create-update --help` shows how.")
