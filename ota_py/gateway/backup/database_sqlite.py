"""SQLite files, on this machine or in a volume: copied by SQLite's own online backup."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ota_py.errors import BackupError, ConfigError, DeadlineError, NoSpaceError
from ota_py.gateway.backup.database import Facts
from ota_py.gateway.config.model import DatabaseConfig
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.system import files
from ota_py.gateway.system.beneath import Tree, locate
from ota_py.gateway.system.files import Attributes

_PAGES = 1024
_COMPANIONS = ("-wal", "-shm", "-journal")


class Sqlite:
    """One SQLite file."""

    needs: list[str] = []

    def __init__(self, config: DatabaseConfig, compose: Compose) -> None:
        assert config.path is not None
        self.label = config.label
        self._service, self._given = config.service, config.path
        self._compose = compose

    def writers(self) -> list[str]:
        """See `Database`."""
        return []

    def size(self) -> int:
        """See `Database`."""
        tree, name = self._existing()
        sizes = [tree.file_status(name + suffix) for suffix in ("", _COMPANIONS[0])]
        return sum(found.st_size for found in sizes if found)

    def place(self) -> Path | None:
        """See `Database`."""
        tree, name = self._place()
        return (tree.root / name).parent

    def dump(self, target: Path, timeout_seconds: float) -> Facts:
        """See `Database`."""
        tree, name = self._existing()
        try:
            with (
                files.produced(target),
                contextlib.closing(sqlite3.connect(target, check_same_thread=False)) as copy,
            ):
                # What reads the live file sees no other paths: so the copy, which is open, needs none any more.
                copy.execute("PRAGMA journal_mode = OFF")
                copy.execute("PRAGMA locking_mode = EXCLUSIVE")
                tree.confined(name, lambda path: self._copy(path, copy, timeout_seconds))
        except sqlite3.Error as error:
            if "full" in str(error):
                raise NoSpaceError(f"no space left for {self.label}") from None
            raise BackupError(f"{self.label}: {error}") from None
        return asdict(tree.attributes(name))

    def _copy(self, source: Path, copy: sqlite3.Connection, timeout_seconds: float) -> None:
        connection = sqlite3.connect(f"{source.as_uri()}?mode=rw", timeout_seconds, uri=True)
        with contextlib.closing(connection) as live:
            # One state of the database throughout: else each write of a service would begin it anew.
            live.execute("BEGIN")
            live.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            live.backup(copy, pages=_PAGES, progress=self._watch(timeout_seconds))

    def _watch(self, timeout_seconds: float) -> Callable[[int, int, int], None]:
        """The callback between portions of a copy; it ends the copy when time is up."""
        limit = time.monotonic() + timeout_seconds

        def check(*_: int) -> None:
            if time.monotonic() > limit:
                raise DeadlineError(f"{self.label}: it was not copied within {timeout_seconds:.0f} s")

        return check

    def restore(self, source: Path, facts: Facts, timeout_seconds: float) -> None:
        """See `Database`."""
        tree, name = self._place()
        # The old one goes first: there may be no space for both.
        for suffix in (*_COMPANIONS, ""):
            tree.remove(name + suffix)
        tree.copy(source, name, Attributes(**facts))

    def _existing(self) -> tuple[Tree, str]:
        tree, name = self._place()
        if tree.file_status(name) is None:
            raise BackupError(f"{self.label}: {tree.root / name} does not exist")
        return tree, name

    def _place(self) -> tuple[Tree, str]:
        """Where the file is on this machine: the directory that a service may write to, and the path below it.

        By the Compose file, else by what the container has mounted.
        """
        if self._service is None:
            return locate(self._given, self._compose.writable_paths())
        found = self._compose.present.source_of(self._service, str(self._given))
        if found and found.kind == "bind":
            return locate(Path(found.source) / found.rest, self._compose.writable_paths())
        if found and found.source:
            return Tree(self._compose.volume_path(found.source)), str(found.rest)
        for container in self._compose.containers():
            for mount in container.mounts if container.service == self._service else ():
                if self._given.is_relative_to(mount.destination):
                    return Tree(mount.source), str(self._given.relative_to(mount.destination))
        raise ConfigError(
            f"{self.label}: no volume or directory is mounted over it in the service {self._service}",
            hint="a file in a container's own layer is lost with the container; put it into a volume",
        )
