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
        source = self._existing()
        log = source.with_name(source.name + _COMPANIONS[0])
        return source.stat().st_size + (log.stat().st_size if log.exists() else 0)

    def place(self) -> Path | None:
        """See `Database`."""
        return self._path().parent

    def dump(self, target: Path, timeout_seconds: float) -> Facts:
        """See `Database`."""
        source = self._existing()
        try:
            with (
                files.produced(target),
                contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", timeout_seconds, uri=True)) as live,
                contextlib.closing(sqlite3.connect(target)) as copy,
            ):
                # One state of the database throughout: else each write of a service would begin it anew.
                live.execute("BEGIN")
                live.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                live.backup(copy, pages=_PAGES, progress=self._watch(timeout_seconds))
        except sqlite3.Error as error:
            if "full" in str(error):
                raise NoSpaceError(f"no space left for {self.label}") from None
            raise BackupError(f"{self.label}: {error}") from None
        return asdict(Attributes.of(source))

    def _watch(self, timeout_seconds: float) -> Callable[[int, int, int], None]:
        """The callback between portions of a copy; it ends the copy when time is up."""
        limit = time.monotonic() + timeout_seconds

        def check(*_: int) -> None:
            if time.monotonic() > limit:
                raise DeadlineError(f"{self.label}: it was not copied within {timeout_seconds:.0f} s")

        return check

    def restore(self, source: Path, facts: Facts, timeout_seconds: float) -> None:
        """See `Database`."""
        target = self._path()
        # The old one goes first: there may be no space for both.
        for suffix in (*_COMPANIONS, ""):
            files.remove(target.with_name(target.name + suffix))
        files.copy(source, target, Attributes(**facts))

    def _existing(self) -> Path:
        path = self._path()
        if not path.is_file():
            raise BackupError(f"{self.label}: {path} does not exist")
        return path

    def _path(self) -> Path:
        """The path of the file on this machine: by the Compose file, else by the mounts of the container."""
        if self._service is None:
            return self._given
        found = self._compose.present.source_of(self._service, str(self._given))
        if found and found.kind == "bind":
            return Path(found.source) / found.rest
        if found and found.source:
            return self._compose.volume_path(found.source) / found.rest
        for container in self._compose.containers():
            for mount in container.mounts if container.service == self._service else ():
                if self._given.is_relative_to(mount.destination):
                    return mount.source / self._given.relative_to(mount.destination)
        raise ConfigError(
            f"{self.label}: no volume or directory is mounted over it in the service {self._service}",
            hint="a file in a container's own layer is lost with the container; put it into a volume",
        )
