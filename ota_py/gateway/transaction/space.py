"""The space that an update or a backup will need, added up by file system before anything is fetched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ota_py.errors import BackupError, NoSpaceError, NotFoundError, OtaError
from ota_py.gateway.backup.database import Database
from ota_py.gateway.backup.index import Backup, SavedDatabase
from ota_py.gateway.config.model import DatabaseConfig
from ota_py.gateway.system import free_space
from ota_py.gateway.system.free_space import Need
from ota_py.gateway.transaction.context import TransactionContext
from ota_py.manifest import Image, Manifest

# Compressed bytes arrive, then they are unpacked beside them.
UNPACKED_FACTOR = 3
# For the journal, and for other programs that write meanwhile.
RESERVE_BYTES = 32 * 1024**2
# A dump of the same data is never quite as large as the last one.
_GROWTH = 1.25
_MIB = 1024**2


def require_for_update(
    context: TransactionContext,
    manifest: Manifest,
    missing: Sequence[Image],
    more: Sequence[Need] = (),
    *,
    layers_are_kept: bool = False,
) -> None:
    """Refuse an update that would not fit.

    Args:
        missing: its images that Docker does not have yet.
        layers_are_kept: their layers come by the registry relay, and stay beside Docker's own until all are there.
        more: further needs of the update.

    Raises:
        NoSpaceError: naming what is needed for what, and what is free.
    """
    needs = [*of_backup(context), *more]
    copies = 2 * sum(file.length for file in manifest.all_files)
    needs.append(Need(context.config.updates_dir, copies, "files of the update"))
    if layers_are_kept:
        needs.append(Need(context.config.updates_dir, sum(i.size for i in missing), "layers on their way"))
    root = context.images.root_dir() if missing else None
    if root is not None and root.exists():
        size = sum(image.size for image in missing) * UNPACKED_FACTOR
        needs.append(Need(root, size, f"images of {manifest.version}"))
    require(needs)


def require_for_backup(context: TransactionContext) -> None:
    """Refuse a backup that would not fit.

    Raises:
        NoSpaceError: as above.
    """
    require(of_backup(context))


def require_for_archives(context: TransactionContext) -> None:
    """Refuse to go on where the archives made while services are stopped would not fit; the last check before that.

    Raises:
        NoSpaceError: as above.
    """
    archives = [each for each in context.backups.databases() if each[1].writers()]
    if archives:
        require(_of_databases(context, archives))


def require_for_restore(context: TransactionContext, backup: Backup) -> None:
    """Refuse to restore databases that are larger than the present ones, where that would not fit.

    Raises:
        NoSpaceError: as above.
    """
    needs = [_growth(context, saved) for saved in backup.databases]
    if growing := [need for need in needs if need.size]:
        require(growing, reserve=0)


def of_backup(context: TransactionContext) -> list[Need]:
    """The space that a backup will need, as far as it can be estimated."""
    size = context.backups.files_size(context.compose.present)
    needs = [Need(context.config.backups_dir, size, "copies of files")]
    return [*needs, *_of_databases(context, context.backups.databases())]


def require(needs: Iterable[Need], reserve: int = RESERVE_BYTES) -> None:
    """Refuse needs that do not fit; those on one file system are added up.

    Raises:
        NoSpaceError: naming what is needed for what, and what is free.
    """
    by_device: dict[int, list[Need]] = {}
    for need in needs:
        by_device.setdefault(os.stat(_existing(need.path)).st_dev, []).append(need)
    for together in by_device.values():
        needed, free = sum(need.size for need in together) + reserve, free_space.free_bytes(together[0].path)
        if free < needed:
            context = ", ".join(f"{need.what} {_mib(need.size)}" for need in together if need.size)
            raise NoSpaceError(
                f"not enough space for {together[0].path}: {_mib(needed)} MiB are needed "
                f"({context + ', ' if context else ''}reserve {_mib(reserve)}), {_mib(free)} MiB are free",
                hint="free some space on this gateway: `docker image prune`, old logs, fewer keep_backups",
                needed_bytes=needed,
                free_bytes=free,
            )


def _of_databases(context: TransactionContext, databases: Iterable[tuple[DatabaseConfig, Database]]) -> list[Need]:
    last = _last_dumps(context)
    return [
        Need(
            context.config.backups_dir,
            _expected(database, [saved for saved in last if saved.config == section.model_dump(mode="json")]),
            f"a dump of {database.label}",
        )
        for section, database in databases
    ]


def _expected(database: Database, last: Sequence[SavedDatabase]) -> int:
    """The expected size of a dump: that of the last dump, grown as the database has, else the database's own."""
    now = database.size()
    if not last or not last[0].expected:
        return now
    return int(last[0].bytes * _GROWTH * max(1.0, now / last[0].expected))


def _growth(context: TransactionContext, saved: SavedDatabase) -> Need:
    """The space that a restored database needs beyond its present size, which is freed first."""
    database = context.backups.database_of(saved)
    then = saved.expected or saved.bytes
    try:
        now = database.size()
    except OtaError:
        now = then if database.needs else 0  # the size of a server that is down is unknown; files are gone
    try:
        place = database.place() or context.images.root_dir()
    except OtaError:
        place = context.images.root_dir()
    return Need(place, max(0, then - now), f"more for {saved.label}")


def _last_dumps(context: TransactionContext) -> list[SavedDatabase]:
    for entry in context.backups.entries():
        try:
            return context.backups.index_of(str(entry["id"])).databases
        except (BackupError, NotFoundError):
            continue
    return []


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _mib(count: int) -> str:
    return f"{-(-count // _MIB):,}"
