"""The preparation of an operator's rollback or restore; all is checked before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ota_py.contract.transactions import State
from ota_py.errors import BackupError, NotFoundError, OtaError
from ota_py.gateway.backup.index import Backup, SavedFile
from ota_py.gateway.backup.project_files import ENVIRONMENT_FILE
from ota_py.gateway.docker.compose import OVERRIDE_FILE_NAMES
from ota_py.gateway.docker.project import Project, ServiceChanges, compare
from ota_py.gateway.fetch.staging import overlay
from ota_py.gateway.health import gate
from ota_py.gateway.journal.plan import Before, TransactionPlan
from ota_py.gateway.journal.transaction import ROLLBACK, Transaction
from ota_py.gateway.system import files
from ota_py.gateway.system.beneath import Tree
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.transaction import results, space
from ota_py.gateway.transaction.context import TransactionContext

_TREE = "tree"


@dataclass(frozen=True)
class RestorePreview:
    """The effects of a restore, for the person who confirms it.

    Attributes:
        runs: the version that runs now.
        age_seconds: of the backup: data written to the databases since then is lost.
        removes: present files of the project that are removed.
    """

    backup: Backup
    runs: str
    age_seconds: float
    removes: list[str]

    @property
    def databases(self) -> list[str]:
        """Labels of the databases that are restored."""
        return [saved.label for saved in self.backup.databases]


def preview(context: TransactionContext, backup_id: str | None) -> RestorePreview:
    """The effects that a restore of a backup would have; of the newest where none is named.

    Raises:
        NotFoundError: there is no such backup, or none at all.
        BackupError: its index is damaged.
    """
    backup = context.backups.index_of(backup_id or _newest(context))
    project = Tree(context.config.project_dir)
    removes = [path for path in _obsolete(context, backup) if project.status(path)]
    age = results.seconds_since(backup.created_at)
    return RestorePreview(backup, context.journal.installed_version, max(age, 0.0), removes)


def prepare_rollback(context: TransactionContext, *, keep_databases: bool, clock: Clock) -> Transaction:
    """Begin the transaction that rolls back to the backup of the update that is installed.

    Raises:
        NotFoundError: no update of ours is installed.
        BackupError: its backup is missing or altered.
        NoSpaceError: its data does not fit.
    """
    installed = context.journal.installed_version
    update = context.journal.committed_transaction(installed)
    if update is None:
        raise NotFoundError(
            f"version {installed} was not installed by an update, so there is nothing to go back to",
            hint="to return to a backup: ota_client.py list-backups, then ota_client.py restore ID",
        )
    old = TransactionPlan.of(update.plan)
    backup = context.backups.load(old.backup)
    # Services that were well before the update must be well again; of the probes, those that pass now.
    before = replace(old.before, probes=_passing_probes(context))
    plan = TransactionPlan(
        change=old.change,
        backup=backup.id,
        before=before,
        keep_databases=keep_databases,
        hooks=old.hooks,
    )
    return _begin(context, backup, plan, clock)


def prepare_restore(
    context: TransactionContext, backup_id: str | None, *, keep_databases: bool, clock: Clock
) -> Transaction:
    """Begin the transaction that restores a backup; the newest where none is named.

    Raises:
        NotFoundError: there is no such backup, or none at all.
        BackupError: it is altered, or an image that it needs is gone.
        NoSpaceError: its data does not fit.
    """
    backup = context.backups.load(backup_id or _newest(context))
    gone = sorted(n for n, image in backup.images.items() if context.images.id_of(image.image_id) is None)
    if gone:
        raise BackupError(
            f"the backup {backup.id} needs images that are gone: {', '.join(gone)}",
            hint="take another one of `list-backups`, or update to the version that is wanted",
        )
    obsolete = _obsolete(context, backup)
    plan = TransactionPlan(
        change=_change(context, backup, obsolete),
        backup=backup.id,
        before=_before(context, backup),
        keep_databases=keep_databases,
        obsolete=obsolete,
    )
    return _begin(context, backup, plan, clock)


def _begin(context: TransactionContext, backup: Backup, plan: TransactionPlan, clock: Clock) -> Transaction:
    if not plan.keep_databases:
        space.require_for_restore(context, backup)
    installed = context.journal.installed_version
    transaction = context.journal.begin(ROLLBACK, installed, None, plan.as_dict(), clock, backup.version)
    return context.journal.advance(transaction, State.VERIFIED)


def _newest(context: TransactionContext) -> str:
    entries = context.backups.entries()
    if not entries:
        raise NotFoundError("there is no backup", hint="make one with `ota_client.py backup`")
    return str(entries[0]["id"])


def _obsolete(context: TransactionContext, backup: Backup) -> list[str]:
    """Files that are not in the backup and must go: those that later updates added or that Compose reads by itself."""
    saved = {file.path for file in backup.files} | {link.path for link in backup.links}
    found = {ENVIRONMENT_FILE, *OVERRIDE_FILE_NAMES}
    ended = backup.ended
    if ended is None:  # written by older software: the clock on the wall has to do
        ended = context.journal.last_ended(backup.created_at)
    for update in context.journal.committed_after(ended):
        found |= {file.dest for file in TransactionPlan.of(update.plan).files if not file.replaces}
    return sorted(found - saved)


def _change(context: TransactionContext, backup: Backup, obsolete: list[str]) -> ServiceChanges:
    """The changes of services from the backup to the present, as if an update had made them."""
    old = _project_of(context, backup, obsolete)
    project = Tree(context.config.project_dir)
    written = [project.root / path for path in obsolete if project.status(path)]
    written += [project.root / saved.path for saved in backup.files if _differs(project, saved)]
    containers = context.compose.containers()
    try:
        change = compare(old, context.compose.present, written)
    except OtaError as error:
        # The present Compose file itself may be broken.
        context.progress.note(error.message)
        added = sorted({c.service for c in containers} - set(old.services) - {""})
        change = ServiceChanges(changed=sorted({*old.services, *added}), added=added)
    moved = {
        c.service for c in containers if c.service in backup.images and c.image_id != backup.images[c.service].image_id
    }
    return replace(change, changed=sorted({*change.changed, *moved} - set(change.removed)))


def _project_of(context: TransactionContext, backup: Backup, obsolete: list[str]) -> Project:
    """The project of a backup, as Compose resolves it."""
    if backup.project:
        context.compose.use_name(backup.project)
    directory = context.backups.directory(backup.id)
    tree = directory / _TREE
    files.remove_tree(tree)
    stored = {saved.path: directory / "files" / saved.path for saved in backup.files}
    overlay(Tree(context.config.project_dir), stored, tree)
    for path in obsolete:
        if "/" not in path:
            files.remove(tree / path)
    try:
        return context.compose.config(tree)
    finally:
        files.remove_tree(tree)


def _differs(project: Tree, saved: SavedFile) -> bool:
    return project.first_link(saved.path) is not None or (
        not project.is_file(saved.path) or project.sha256_of(saved.path) != saved.sha256
    )


def _before(context: TransactionContext, backup: Backup) -> Before:
    """The health that a restore must reach: that at the time of the backup, as far as it was checked then."""
    entry = next(entry for entry in context.backups.entries() if entry["id"] == backup.id)
    if made_by := entry["transaction"]:
        seen = TransactionPlan.of(context.journal.transaction(made_by).plan).before
        if seen.well:
            return replace(seen, probes=_passing_probes(context))
    return Before(backup.running, backup.running, _passing_probes(context))


def _passing_probes(context: TransactionContext) -> list[int]:
    try:
        compose = context.compose
        return gate.before(compose, compose.present, context.config.probes).probes
    except OtaError:
        return []  # probes that cannot be run now are not required afterwards
