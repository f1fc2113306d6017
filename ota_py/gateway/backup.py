"""Backups: what the way back needs, hashed when it is made and checked before it is relied on.

A backup is a directory with `backup.json`, copies of files and dumps of databases. The journal has
the hash of `backup.json`, which has the hashes of the rest; a directory that the journal does not
know is a leftover.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ota_py.errors import BackupError, NotFoundError
from ota_py.gateway import files
from ota_py.gateway.backup_index import Backup, SavedDatabase, SavedFile, SavedImage, parse
from ota_py.gateway.compose import OVERRIDE_FILE_NAME, Compose
from ota_py.gateway.config import Config, DatabaseConfig
from ota_py.gateway.container import Container
from ota_py.gateway.databases import Database, open_database
from ota_py.gateway.files import Attributes
from ota_py.gateway.images import Images
from ota_py.gateway.journal import Journal
from ota_py.gateway.project import Project
from ota_py.gateway.timing import Clock, stamp
from ota_py.manifest import COMPOSE_FILE_NAME, RESERVED_DIRECTORY

INDEX = "backup.json"
CONFIG_DIRECTORY = "config"
# Only the updater may read a backup: dumps and environment files hold secrets.
_PRIVATE = 0o600


class Backups:
    """The backups of one gateway."""

    def __init__(self, config: Config, journal: Journal, compose: Compose, images: Images) -> None:
        self._config = config
        self._journal = journal
        self._compose = compose
        self._images = images

    def create(
        self, project: Project, dests: Collection[str], clock: Clock, transaction: str | None = None
    ) -> Backup:
        """Save files, image ids and every database that can be dumped online. Stops nothing.

        Args:
            project: the project as it is now.
            dests: files that the update will write, relative to the project directory.
            clock: the limit that dumps share.

        Raises:
            BackupError, NoSpaceError: nothing of it is kept.
        """
        new = f"{stamp()[:19].replace(':', '').replace('-', '')}-{secrets.token_hex(3)}".lower()
        containers = self._compose.containers()
        backup = Backup(
            id=new,
            version=self._journal.installed_version,
            created_at=stamp(),
            absent=[dest for dest in sorted(dests) if not (self._config.project_dir / dest).exists()],
            running=sorted({c.service for c in containers if c.state == "running"}),
        )
        directory = self._directory(new)
        files.make_directory(directory, 0o700)
        files.make_directory(directory / "files")
        try:
            backup = replace(
                backup,
                files=[self._save_file(directory, path) for path in self._paths(project, dests)],
                images=self._keep_images(new, containers),
                databases=self._dump(directory, self._online(), clock),
            )
            self._record(backup, transaction)
        except BaseException:
            self._discard(backup)
            raise
        return backup

    def add_stopped(self, backup: Backup, clock: Clock, transaction: str | None) -> Backup:
        """Add the databases that can only be copied once their writers stopped, as they now have."""
        stopped = [(config, database) for config, database in self._databases() if database.writers]
        if not stopped:
            return backup
        dumps = self._dump(self._directory(backup.id), stopped, clock)
        grown = replace(backup, databases=[*backup.databases, *dumps])
        self._record(grown, transaction)
        return grown

    def writers(self) -> list[str]:
        """Services that must stop before their database can be copied."""
        return sorted({name for _, database in self._databases() for name in database.writers})

    def load(self, backup_id: str) -> Backup:
        """A backup whose every byte is what was written.

        Raises:
            NotFoundError: there is no such backup.
            BackupError: something of it is missing or altered.
        """
        rows = self._journal.read("SELECT sha256 FROM backups WHERE id = ?", (backup_id,))
        if not rows:
            raise NotFoundError(f"there is no backup {backup_id!r}", hint="list them with `list-backups`")
        directory = self._directory(backup_id)
        raw = self._checked(directory / INDEX, rows[0]["sha256"]).read_bytes()
        backup = parse(raw)
        for saved in backup.files:
            self._checked(directory / "files" / saved.path, saved.sha256)
        for dump in backup.databases:
            self._checked(directory / dump.file, dump.sha256)
        return backup

    def restore_files(self, backup: Backup) -> None:
        """Write back every file that differs, with owner and mode, and remove what the update added."""
        stored = self._directory(backup.id) / "files"
        for saved in backup.files:
            target = files.inside(self._config.project_dir, saved.path)
            wanted = Attributes(saved.mode, saved.uid, saved.gid)
            same = target.is_file() and Attributes.of(target) == wanted
            if not same or files.sha256_of(target) != saved.sha256:
                files.copy(stored / saved.path, target, wanted)
        for path in backup.absent:
            files.remove(self._config.project_dir / path)

    def restore_database(self, backup: Backup, saved: SavedDatabase, timeout_seconds: float) -> None:
        """Restore one database from its dump."""
        source = self._checked(self._directory(backup.id) / saved.file, saved.sha256)
        self.database_of(saved).restore(source, timeout_seconds)

    def database_of(self, saved: SavedDatabase) -> Database:
        """The database that a dump is of."""
        return open_database(DatabaseConfig.model_validate(saved.config), self._compose)

    def entries(self) -> list[dict[str, Any]]:
        """What backups there are, newest first: id, version, created_at, transaction, bytes."""
        rows = self._journal.read("SELECT * FROM backups ORDER BY created_at DESC, id DESC")
        return [
            {
                "id": row["id"],
                "version": row["version"],
                "created_at": row["created_at"],
                "transaction": row["transaction_id"],
                "bytes": row["bytes"],
            }
            for row in rows
        ]

    def prune(self, protected: str = "") -> None:
        """Remove all but the newest `keep_backups`, and leftovers; never the one named."""
        entries = self.entries()
        for entry in entries[self._config.keep_backups :]:
            if entry["id"] != protected:
                self._remove(str(entry["id"]))
        known = {entry["id"] for entry in self.entries()}
        for directory in self._config.backups_dir.iterdir():
            if directory.name not in known:
                files.remove_tree(directory)

    def remove_of(self, transaction: str, but: str = "") -> None:
        """Remove the backups that a transaction made, all but one."""
        for entry in self.entries():
            if entry["transaction"] == transaction and entry["id"] != but:
                self._remove(str(entry["id"]))

    # -- parts ----------------------------------------------------------------------------------------

    def _paths(self, project: Project, dests: Collection[str]) -> list[str]:
        """The files to save: Compose's own, all below config/, all that services mount, all to be written."""
        root = self._config.project_dir
        found = {root / name for name in (COMPOSE_FILE_NAME, OVERRIDE_FILE_NAME, ".env", *dests)}
        found |= set((root / CONFIG_DIRECTORY).rglob("*"))
        found |= {Path(path) for service in project.services for path in project.files_of(service)}
        inside = [path.relative_to(root) for path in found if path.is_relative_to(root) and _is_plain(path)]
        return sorted(str(path) for path in inside if path.parts[0] != RESERVED_DIRECTORY)

    def _save_file(self, directory: Path, path: str) -> SavedFile:
        source = self._config.project_dir / path
        wanted = Attributes.of(source)
        target = directory / "files" / path
        files.copy(source, target, Attributes(_PRIVATE, os.geteuid(), os.getegid()))
        return SavedFile(path, files.sha256_of(target), wanted.mode, wanted.uid, wanted.gid)

    def _keep_images(self, backup_id: str, containers: Sequence[Container]) -> dict[str, SavedImage]:
        saved: dict[str, SavedImage] = {}
        for container in containers:
            if not container.service or container.service in saved:
                continue
            digest = self._images.digest_of(container.image_id, container.reference)
            kept = self._images.keep(container.image_id, container.service, backup_id)
            saved[container.service] = SavedImage(container.reference, container.image_id, digest, kept)
        return saved

    def _databases(self) -> list[tuple[DatabaseConfig, Database]]:
        return [(config, open_database(config, self._compose)) for config in self._config.databases]

    def _online(self) -> list[tuple[DatabaseConfig, Database]]:
        return [(config, database) for config, database in self._databases() if not database.writers]

    def _dump(
        self, directory: Path, databases: Sequence[tuple[DatabaseConfig, Database]], clock: Clock
    ) -> list[SavedDatabase]:
        saved = []
        for config, database in databases:
            name = f"database-{self._config.databases.index(config)}.dump"
            database.dump(directory / name, clock.check(f"dumping {database.label}"))
            files.set_mode(directory / name, _PRIVATE)
            digest = files.sha256_of(directory / name)
            saved.append(SavedDatabase(database.label, name, digest, config.model_dump(mode="json")))
        return saved

    def _record(self, backup: Backup, transaction: str | None) -> None:
        """The backup exists from here on: its index first, then the journal's word for it."""
        raw = backup.to_bytes()
        directory = self._directory(backup.id)
        files.write(directory / INDEX, raw, Attributes(_PRIVATE, os.geteuid(), os.getegid()))
        size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        with self._journal.write("backup") as connection:
            connection.execute(
                "INSERT OR REPLACE INTO backups (id, version, transaction_id, created_at, sha256, bytes) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    backup.id,
                    backup.version,
                    transaction,
                    backup.created_at,
                    hashlib.sha256(raw).hexdigest(),
                    size,
                ),
            )

    def _remove(self, backup_id: str) -> None:
        directory = self._directory(backup_id)
        try:
            backup = parse((directory / INDEX).read_bytes())
        except (OSError, BackupError):
            backup = Backup(backup_id, "", "")
        with self._journal.write("backup.remove") as connection:
            connection.execute("DELETE FROM backups WHERE id = ?", (backup_id,))
        self._discard(backup)

    def _discard(self, backup: Backup) -> None:
        for image in backup.images.values():
            self._images.release(image.kept)
        files.remove_tree(self._directory(backup.id))

    def _directory(self, backup_id: str) -> Path:
        return self._config.backups_dir / backup_id

    def _checked(self, path: Path, sha256: str) -> Path:
        if not path.is_file():
            raise BackupError(f"the backup's file {path} is missing")
        got = files.sha256_of(path)
        if got != sha256:
            raise BackupError(f"the backup's file {path} has sha256 {got}, expected {sha256}")
        return path


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
