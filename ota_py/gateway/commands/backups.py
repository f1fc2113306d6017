"""Commands about backups: backup, list-backups, restore."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.errors import UsageError
from ota_py.gateway.commands.session import CommandSession, config_option, session
from ota_py.gateway.commands.transactions import conclude

if TYPE_CHECKING:
    from ota_py.gateway.transaction.restore import RestorePreview


@click.command()
@config_option
@json_option
def backup(config_file: Path | None, as_json: bool) -> int:
    """Back up Compose file, configuration, image ids and databases as they are now. Stops nothing.

    A volume or directory that services write to is not part of it: it can only be copied while they are
    stopped, which an update does.
    """
    with session(config_file, as_json) as s:
        made = s.engine.backup()
        left_out = s.engine.context.backups.left_out(made)
    data = {
        "id": made.id,
        "version": made.version,
        "created_at": made.created_at,
        "files": [saved.path for saved in made.files],
        "databases": [saved.label for saved in made.databases],
        "left_out": left_out,
        "changed": True,
    }
    if as_json:
        echo_json(data)
        return 0
    click.echo(f"backup {made.id} of {made.version}: {len(made.files)} files, {len(made.databases)} databases")
    for label in left_out:
        click.echo(f"without {label}: services write to it")
    return 0


@click.command(name="list-backups")
@config_option
@json_option
def list_backups(config_file: Path | None, as_json: bool) -> int:
    """List the backups, newest first. The one marked `rollback` is what `rollback` returns to."""
    from ota_py.gateway.commands.output import age, size, table

    with session(config_file) as s:
        entries = _entries(s)
    if as_json:
        echo_json({"backups": entries})
        return 0
    rows = [
        [
            entry["id"],
            entry["version"],
            age(entry["age_seconds"]),
            size(entry["bytes"]),
            entry["problem"] or ", ".join(entry["databases"]) or None,
            "rollback" if entry["rollback"] else "",
        ]
        for entry in entries
    ]
    click.echo(table(["ID", "VERSION", "AGE", "SIZE", "DATABASES", ""], rows))
    return 0


@click.command()
@click.argument("backup_id", metavar="[ID]", required=False)
@click.option("--keep-databases", is_flag=True, help="Leave databases as they are now.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@config_option
@json_option
def restore(backup_id: str | None, keep_databases: bool, yes: bool, config_file: Path | None, as_json: bool) -> int:
    """Return to a backup of `list-backups`, the newest if none is named: files, images and databases.

    Needs no network. What was written to the databases since it was made is lost, unless --keep-databases
    is given: to be able to come back to it, make a backup first.

    \b
    Examples:
      ota_client.py restore
      ota_client.py restore 20260101t020000-4f5a6b --keep-databases --yes
    """
    from ota_py.gateway.transaction.restore import preview

    with session(config_file, as_json) as s:
        found = preview(s.engine.context, backup_id)
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise UsageError("restore asks before it begins, and nobody can be asked here", hint="give --yes")
            _print_preview(found, keep_databases)
            click.confirm("Restore it?", abort=True)
        return conclude(s.engine.restore(found.backup.id, keep_databases=keep_databases), as_json)


def _print_preview(found: RestorePreview, keep_databases: bool) -> None:
    from ota_py.gateway.commands.output import age

    backup = found.backup
    click.echo(f"The gateway runs {found.runs}. The backup {backup.id} is of {backup.version},")
    click.echo(f"made {age(found.age_seconds)} ago. Services of which it differs are replaced.")
    if found.databases:
        what = ", ".join(found.databases)
        kept = f"{what}: left as it is now."
        lost = f"{what}: what was written in the last {age(found.age_seconds)} is lost."
        click.echo(kept if keep_databases else lost)
    if found.removes:
        click.echo(f"Files that it does not have are removed: {', '.join(found.removes)}.")


def _entries(s: CommandSession) -> list[dict[str, Any]]:
    from ota_py.errors import BackupError
    from ota_py.gateway.transaction.results import seconds_since

    backups = s.engine.context.backups
    target = s.engine.context.retention.rollback_target()
    entries = backups.entries()
    for entry in entries:
        entry |= {"databases": [], "problem": ""}
        entry["age_seconds"] = max(seconds_since(entry["created_at"]), 0.0)
        entry["rollback"] = entry["id"] == target
        try:
            entry["databases"] = [saved.label for saved in backups.index_of(entry["id"]).databases]
        except BackupError as error:
            entry["problem"] = error.message
    return entries
