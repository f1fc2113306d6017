"""What an operator's return to a backup needs; all of it is checked before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ota_py.errors import BackupError, NotFoundError, OtaError
from ota_py.gateway import files, health, results, space
from ota_py.gateway.backup_files import ENVIRONMENT_FILE
from ota_py.gateway.backup_index import Backup
from ota_py.gateway.compose import OVERRIDE_FILE_NAMES
from ota_py.gateway.parts import Parts
from ota_py.gateway.plan import Before, Plan
from ota_py.gateway.project import Change, Project, compare
from ota_py.gateway.staging import overlay
from ota_py.gateway.states import State
from ota_py.gateway.timing import Clock
from ota_py.gateway.transaction import ROLLBACK, Transaction

_TREE = "tree"


@dataclass(frozen=True)
class Outlook:
    """What a restore would do, for the person who is asked.

    Attributes:
        runs: the version that runs now.
        age_seconds: what was written to the databases for so long is lost.
        removes: files of the project that are there now and go away.
    """

    backup: Backup
    runs: str
    age_seconds: float
    removes: list[str]

    @property
    def databases(self) -> list[str]:
        """What is restored besides files and images."""
        return [saved.label for saved in self.backup.databases]


def outlook(parts: Parts, backup_id: str | None) -> Outlook:
    """What restoring this backup, or the newest, would do.

    Raises:
        NotFoundError: there is no such backup, or none at all.
        BackupError: its index is damaged.
    """
    backup = parts.backups.index_of(backup_id or _newest(parts))
    removes = [path for path in _obsolete(parts, backup) if (parts.config.project_dir / path).exists()]
    age = results.seconds_since(backup.created_at)
    return Outlook(backup, parts.journal.installed_version, max(age, 0.0), removes)


def prepare_rollback(parts: Parts, *, keep_databases: bool, clock: Clock) -> Transaction:
    """The transaction that returns to the backup of the update that is installed.

    Raises:
        NotFoundError: no update of ours is installed.
        BackupError: its backup is not what was written.
        NoSpaceError: its data does not fit.
    """
    installed = parts.journal.installed_version
    update = parts.journal.committed_transaction(installed)
    if update is None:
        raise NotFoundError(
            f"version {installed} was not installed by an update, so there is nothing to go back to",
            hint="to return to a backup: ota_client.py list-backups, then ota_client.py restore ID",
        )
    old = Plan.of(update.plan)
    backup = parts.backups.load(old.backup)
    # What ran well before the update is to run well again; of the probes, those that pass now.
    before = replace(old.before, probes=_passing_probes(parts))
    plan = Plan(
        change=old.change,
        backup=backup.id,
        before=before,
        keep_databases=keep_databases,
        hooks=old.hooks,
    )
    return _begin(parts, backup, plan, clock)


def prepare_restore(
    parts: Parts, backup_id: str | None, *, keep_databases: bool, clock: Clock
) -> Transaction:
    """The transaction that returns to any backup; to the newest where none is named.

    Raises:
        NotFoundError: there is no such backup, or none at all.
        BackupError: it is not what was written, or an image that it needs is gone.
        NoSpaceError: its data does not fit.
    """
    backup = parts.backups.load(backup_id or _newest(parts))
    gone = sorted(n for n, image in backup.images.items() if parts.images.id_of(image.image_id) is None)
    if gone:
        raise BackupError(
            f"the backup {backup.id} needs images that are gone: {', '.join(gone)}",
            hint="take another one of `list-backups`, or update to the version that is wanted",
        )
    obsolete = _obsolete(parts, backup)
    plan = Plan(
        change=_change(parts, backup, obsolete),
        backup=backup.id,
        before=_before(parts, backup),
        keep_databases=keep_databases,
        obsolete=obsolete,
    )
    return _begin(parts, backup, plan, clock)


def _begin(parts: Parts, backup: Backup, plan: Plan, clock: Clock) -> Transaction:
    if not plan.keep_databases:
        space.require_for_restore(parts, backup)
    installed = parts.journal.installed_version
    transaction = parts.journal.begin(ROLLBACK, installed, None, plan.as_dict(), clock, backup.version)
    return parts.journal.advance(transaction, State.VERIFIED)


def _newest(parts: Parts) -> str:
    entries = parts.backups.entries()
    if not entries:
        raise NotFoundError("there is no backup", hint="make one with `ota_client.py backup`")
    return str(entries[0]["id"])


def _obsolete(parts: Parts, backup: Backup) -> list[str]:
    """Files that later updates added, and what Compose reads by itself: the backup knows nothing of them."""
    saved = {file.path for file in backup.files} | {link.path for link in backup.links}
    found = {ENVIRONMENT_FILE, *OVERRIDE_FILE_NAMES}
    ended = backup.ended
    if ended is None:  # written by older software: the clock on the wall has to do
        ended = parts.journal.last_ended(backup.created_at)
    for update in parts.journal.committed_after(ended):
        found |= {file.dest for file in Plan.of(update.plan).files if not file.replaces}
    return sorted(found - saved)


def _change(parts: Parts, backup: Backup, obsolete: list[str]) -> Change:
    """What led from the backup to what is here now, as if an update had done it."""
    old = _project_of(parts, backup, obsolete)
    root = parts.config.project_dir
    written = [root / path for path in obsolete if (root / path).exists()]
    written += [root / saved.path for saved in backup.files if _differs(root / saved.path, saved.sha256)]
    containers = parts.compose.containers()
    try:
        change = compare(old, parts.compose.present, written)
    except OtaError as error:
        # The Compose file itself may be what a person wants back.
        parts.progress.note(error.message)
        added = sorted({c.service for c in containers} - set(old.services) - {""})
        change = Change(changed=sorted({*old.services, *added}), added=added)
    moved = {
        c.service
        for c in containers
        if c.service in backup.images and c.image_id != backup.images[c.service].image_id
    }
    return replace(change, changed=sorted({*change.changed, *moved} - set(change.removed)))


def _project_of(parts: Parts, backup: Backup, obsolete: list[str]) -> Project:
    """The project of a backup, as Compose resolves it."""
    if backup.project:
        parts.compose.known_as(backup.project)
    directory = parts.backups.directory(backup.id)
    tree = directory / _TREE
    files.remove_tree(tree)
    stored = {saved.path: directory / "files" / saved.path for saved in backup.files}
    overlay(parts.config.project_dir, stored, tree)
    for path in obsolete:
        if "/" not in path:
            files.remove(tree / path)
    try:
        return parts.compose.config(tree)
    finally:
        files.remove_tree(tree)


def _differs(path: Path, sha256: str) -> bool:
    return not path.is_file() or files.sha256_of(path) != sha256


def _before(parts: Parts, backup: Backup) -> Before:
    """What is to be well again: what was when the backup was made, as far as anybody looked then."""
    entry = next(entry for entry in parts.backups.entries() if entry["id"] == backup.id)
    if made_by := entry["transaction"]:
        seen = Plan.of(parts.journal.transaction(made_by).plan).before
        if seen.well:
            return replace(seen, probes=_passing_probes(parts))
    return Before(backup.running, backup.running, _passing_probes(parts))


def _passing_probes(parts: Parts) -> list[int]:
    try:
        compose = parts.compose
        return health.before(compose, compose.present, parts.config.probes).probes
    except OtaError:
        return []  # what cannot be asked now is not asked for afterwards
