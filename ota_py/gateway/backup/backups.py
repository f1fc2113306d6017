"""Backups: what a rollback needs, hashed when a backup is made and checked before it is used.

A backup is a directory with `backup.json`, copies of files and dumps of databases. The journal has
the hash of `backup.json`, which has the hashes of the rest; a directory that the journal does not
know is a leftover.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ota_py.errors import BackupError, NotFoundError
from ota_py.gateway.backup.database import Database
from ota_py.gateway.backup.database_factory import open_database
from ota_py.gateway.backup.index import Backup, SavedDatabase, SavedImage, parse
from ota_py.gateway.backup.project_files import PRIVATE, ProjectFiles
from ota_py.gateway.config.model import DatabaseConfig, GatewayConfig
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.docker.container import Container
from ota_py.gateway.docker.images import Images
from ota_py.gateway.docker.project import Project
from ota_py.gateway.journal import backup_records
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.system import files
from ota_py.gateway.system.clock import Clock, stamp
from ota_py.gateway.system.files import Attributes
from ota_py.hashes import sha256_of, sha256_of_file

INDEX = "backup.json"
INDEX_BEFORE = "backup-before.json"
_FILES = "files"


class Backups:
    """The backups of one gateway; how long they are kept is decided in `retention.py`."""

    def __init__(self, config: GatewayConfig, journal: Journal, compose: Compose, images: Images) -> None:
        self._config = config
        self._journal = journal
        self._compose = compose
        self._images = images
        self._files = ProjectFiles(config.project_dir)

    def create(self, project: Project, dests: Collection[str], clock: Clock, transaction: str | None = None) -> Backup:
        """Make a backup: files, image ids and every database that can be dumped online. Stops nothing.

        Args:
            project: the project as it is now.
            dests: files that the update will write, relative to the project directory.
            clock: the limit that dumps share.

        Raises:
            BackupError, NoSpaceError: the backup could not be made; nothing of it is kept.
        """
        new = f"{stamp()[:19].replace(':', '').replace('-', '')}-{secrets.token_hex(3)}".lower()
        containers = self._compose.containers()
        absent, absent_directories = self._files.absent(dests)
        backup = Backup(
            id=new,
            version=self._journal.installed_version,
            created_at=stamp(),
            absent=absent,
            absent_directories=absent_directories,
            project=project.name,
            running=sorted({c.service for c in containers if c.state == "running"}),
            ended=self._journal.last_ended(),
        )
        directory = self.directory(new)
        files.make_directory(directory, 0o700)
        files.make_directory(directory / _FILES)
        try:
            found = self._files.find(project, dests)
            backup = replace(
                backup,
                files=[self._files.save_file(path, directory / _FILES) for path in found.files],
                links=[self._files.save_link(path) for path in found.links],
                directories=[self._files.save_directory(path) for path in found.directories],
                images=self._saved_images(containers),
                databases=self._dump(directory, self._online(), clock),
            )
            self._record(backup, transaction)
        except BaseException:
            files.remove_tree(directory)
            raise
        return backup

    def add_stopped(self, backup: Backup, clock: Clock, transaction: str | None) -> Backup:
        """Add the databases to a backup that can only be copied while their writers are stopped, as they now are."""
        saved = [dump.config for dump in backup.databases]
        stopped = [
            (section, database)
            for section, database in self.databases()
            if section.model_dump(mode="json") not in saved
        ]
        if not stopped:
            return backup
        dumps = self._dump(self.directory(backup.id), stopped, clock)
        grown = replace(backup, databases=[*backup.databases, *dumps])
        self._record(grown, transaction)
        return grown

    def left_out(self, backup: Backup) -> list[str]:
        """Labels of the databases that the configuration names and the backup lacks."""
        saved = [dump.config for dump in backup.databases]
        return [section.label for section in self._config.databases if section.model_dump(mode="json") not in saved]

    def writers(self) -> list[str]:
        """Services that must stop before the data that they write can be copied."""
        return sorted({name for _, database in self.databases() for name in database.writers()})

    def files_size(self, project: Project) -> int:
        """Bytes that copies of the project's files will take."""
        found = self._files.find(project, [])
        return sum(self._files.size_of(path) for path in found.files)

    def load(self, backup_id: str) -> Backup:
        """Load a backup, every byte of it checked.

        Raises:
            NotFoundError: there is no such backup.
            BackupError: a file of it is missing or altered.
        """
        backup = self.index_of(backup_id)
        directory = self.directory(backup_id)
        for saved in backup.files:
            _checked(directory / _FILES / saved.path, saved.sha256)
        for dump in backup.databases:
            _checked(directory / dump.file, dump.sha256)
        return backup

    def index_of(self, backup_id: str) -> Backup:
        """The index of a backup, checked; its other files are not checked.

        Raises:
            NotFoundError: there is no such backup.
            BackupError: its index is missing or altered.
        """
        recorded = backup_records.sha256_of(self._journal, backup_id)
        if recorded is None:
            raise NotFoundError(f"there is no backup {backup_id!r}", hint="list them with `list-backups`")
        directory = self.directory(backup_id)
        before = directory / INDEX_BEFORE
        # A crash between the new index and its record in the journal: then the index before it counts.
        is_before = before.is_file() and sha256_of_file(before) == recorded
        return parse(_checked(before if is_before else directory / INDEX, recorded).read_bytes())

    def bytes_of_files(self, backup: Backup) -> int:
        """Bytes that the project's files in a backup take up."""
        directory = self.directory(backup.id) / _FILES
        return sum((directory / saved.path).stat().st_size for saved in backup.files)

    def restore_files(self, backup: Backup, obsolete: Collection[str] = ()) -> None:
        """Write back every project file that differs, with owner and mode, and remove later files.

        Args:
            obsolete: files that later updates added.
        """
        self._files.restore(backup, self.directory(backup.id) / _FILES, obsolete)

    def restore_database(self, backup: Backup, saved: SavedDatabase, timeout_seconds: float) -> None:
        """Restore one database from its dump."""
        source = _checked(self.directory(backup.id) / saved.file, saved.sha256)
        self.database_of(saved).restore(source, saved.facts, timeout_seconds)

    def database_of(self, saved: SavedDatabase) -> Database:
        """The database that a dump was made of."""
        section = DatabaseConfig.model_validate(saved.config)
        return open_database(section, self._config, self._compose)

    def databases(self) -> list[tuple[DatabaseConfig, Database]]:
        """The databases that the configuration names."""
        return [(each, open_database(each, self._config, self._compose)) for each in self._config.databases]

    def entries(self) -> list[dict[str, Any]]:
        """All backups, newest first: id, version, created_at, transaction, bytes."""
        return backup_records.entries(self._journal)

    def images(self) -> dict[str, str]:
        """The images that the backups need: image id to the reference that their Compose files name."""
        found: dict[str, str] = {}
        for entry in reversed(self.entries()):
            try:
                backup = self.index_of(str(entry["id"]))
            except BackupError:
                continue  # of no use for a rollback, so nothing is kept for it
            found |= {image.image_id: image.reference for image in backup.images.values()}
        return found

    def remove_of(self, transaction: str, but: str = "") -> None:
        """Remove the backups that a transaction made, except the backup `but`."""
        for entry in self.entries():
            if entry["transaction"] == transaction and entry["id"] != but:
                self.remove(str(entry["id"]))

    def remove(self, backup_id: str) -> None:
        """Remove one backup: its record first, so that a crash leaves only a leftover directory."""
        backup_records.remove(self._journal, backup_id)
        files.remove_tree(self.directory(backup_id))

    def directory(self, backup_id: str) -> Path:
        """The directory of a backup."""
        return self._config.backups_dir / backup_id

    # -- helpers --------------------------------------------------------------------------------------

    def _saved_images(self, containers: Sequence[Container]) -> dict[str, SavedImage]:
        saved: dict[str, SavedImage] = {}
        for container in containers:
            if not container.service or container.service in saved:
                continue
            digest = self._images.digest_of(container.image_id, container.reference)
            saved[container.service] = SavedImage(container.reference, container.image_id, digest)
        return saved

    def _online(self) -> list[tuple[DatabaseConfig, Database]]:
        return [(section, database) for section, database in self.databases() if not database.writers()]

    def _dump(
        self, directory: Path, databases: Sequence[tuple[DatabaseConfig, Database]], clock: Clock
    ) -> list[SavedDatabase]:
        saved = []
        for section, database in databases:
            name = f"database-{self._config.databases.index(section)}.dump"
            begun, expected = stamp(), database.size()
            facts = database.dump(directory / name, clock.check(f"dumping {database.label}"))
            files.set_mode(directory / name, PRIVATE)
            saved.append(
                SavedDatabase(
                    label=database.label,
                    file=name,
                    sha256=sha256_of_file(directory / name),
                    config=section.model_dump(mode="json"),
                    facts=facts,
                    saved_at=begun,
                    bytes=(directory / name).stat().st_size,
                    expected=expected,
                )
            )
        return saved

    def _record(self, backup: Backup, transaction: str | None) -> None:
        """Record the backup, which exists from here on: its index first, then the row in the journal."""
        raw = backup.to_bytes()
        directory, private = self.directory(backup.id), Attributes(PRIVATE, os.geteuid(), os.getegid())
        if (directory / INDEX).exists():
            files.copy(directory / INDEX, directory / INDEX_BEFORE, private)
        files.write(directory / INDEX, raw, private)
        size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        backup_records.record(
            self._journal,
            backup.id,
            version=backup.version,
            transaction=transaction,
            created_at=backup.created_at,
            sha256=sha256_of(raw),
            size=size,
        )


def _checked(path: Path, sha256: str) -> Path:
    if not path.is_file():
        raise BackupError(f"the backup's file {path} is missing")
    got = sha256_of_file(path)
    if got != sha256:
        raise BackupError(f"the backup's file {path} has sha256 {got}, expected {sha256}")
    return path
