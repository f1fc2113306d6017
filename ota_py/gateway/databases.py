"""Databases: an online dump where the engine has one, else the volume after its writers stopped.

A restore needs no more space than the database had: what is there goes first. So it can be repeated
from its beginning, and a dump is checked against its hash before anything of the old is removed.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

from ota_py.errors import BackupError, ConfigError, HealthError, NoSpaceError
from ota_py.gateway import files, process
from ota_py.gateway.compose import Compose
from ota_py.gateway.config import DatabaseConfig
from ota_py.gateway.files import Attributes

READY_SECONDS = 120
COMMAND_SECONDS = 60
_POSTGRESQL_MAGIC = b"PGDMP"


class Database(Protocol):
    """One database of the gateway.

    Attributes:
        label: what people call it.
        needs: services that must run while it is dumped or restored.
        writers: services that must be stopped before its dump; empty for an online dump.
    """

    label: str
    needs: list[str]
    writers: list[str]

    def dump(self, target: Path, timeout_seconds: float) -> None:
        """Write a consistent copy to the new file `target`."""

    def restore(self, source: Path, timeout_seconds: float) -> None:
        """Make the database what it was at the dump, nothing more and nothing less."""


def open_database(config: DatabaseConfig, compose: Compose) -> Database:
    """The database that a section of the configuration describes."""
    if config.type == "postgresql":
        return _PostgreSql(config, compose)
    if config.type == "mysql":
        return _MySql(config, compose)
    if config.type == "sqlite":
        return _Sqlite(config, compose)
    return _Volume(config, compose)


class _InService:
    """A database server in a service: dumped and restored by its own tools, in its own container."""

    writers: list[str] = []

    def __init__(self, config: DatabaseConfig, compose: Compose) -> None:
        assert config.service is not None
        assert config.user is not None
        assert config.name is not None
        self.label = config.label
        self.needs = [config.service]
        self._service, self._user, self._name = config.service, config.user, config.name
        self._compose = compose

    def _execute(
        self,
        command: Sequence[str],
        timeout_seconds: float,
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> None:
        done = self._compose.exec(
            self._service, command, timeout_seconds=timeout_seconds, stdin=stdin, stdout=stdout
        )
        if done.status:
            if "no space left" in done.problem.lower():
                raise NoSpaceError(f"no space left for {self.label}: {done.problem}")
            raise BackupError(f"{self.label}: `{command[0]}` failed: {done.problem}")

    def _wait_until_ready(self, command: Sequence[str], timeout_seconds: float) -> None:
        deadline = time.monotonic() + min(READY_SECONDS, timeout_seconds)
        while True:
            try:
                return self._execute(command, COMMAND_SECONDS)
            except (BackupError, HealthError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)


class _PostgreSql(_InService):
    def dump(self, target: Path, timeout_seconds: float) -> None:
        argv = ["pg_dump", "--format=custom", f"--username={self._user}", f"--dbname={self._name}"]
        with files.create(target) as file:
            self._execute(argv, timeout_seconds, stdout=file)
        with open(target, "rb") as file:
            if file.read(len(_POSTGRESQL_MAGIC)) != _POSTGRESQL_MAGIC:
                raise BackupError(f"{self.label}: pg_dump wrote no archive")

    def restore(self, source: Path, timeout_seconds: float) -> None:
        self._wait_until_ready(self._psql("SELECT 1"), timeout_seconds)
        literal = self._name.replace("'", "''")
        end_sessions = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{literal}' AND pid <> pg_backend_pid()"
        )
        self._execute(self._psql(end_sessions), COMMAND_SECONDS)
        # Dropped and created anew: objects that the update added must not survive.
        argv = ["pg_restore", "--clean", "--if-exists", "--create", "--exit-on-error"]
        argv += [f"--username={self._user}", f"--dbname={self._maintenance}"]
        with open(source, "rb") as file:
            self._execute(argv, timeout_seconds, stdin=file)

    @property
    def _maintenance(self) -> str:
        return "template1" if self._name == "postgres" else "postgres"

    def _psql(self, statement: str) -> list[str]:
        argv = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        return [*argv, f"--username={self._user}", f"--dbname={self._maintenance}", "--command", statement]


class _MySql(_InService):
    """MySQL and MariaDB; the password is the one that the container's own environment has."""

    _PASSWORD = 'export MYSQL_PWD="${MYSQL_ROOT_PASSWORD:-${MARIADB_ROOT_PASSWORD:-${MYSQL_PASSWORD:-}}}"; '

    def dump(self, target: Path, timeout_seconds: float) -> None:
        options = ["--single-transaction", "--routines", "--triggers", "--events", "--add-drop-database"]
        argv = self._tool("dump", [*options, "--databases", self._name])
        with files.create(target) as file:
            self._execute(argv, timeout_seconds, stdout=file)

    def restore(self, source: Path, timeout_seconds: float) -> None:
        self._wait_until_ready(self._tool("", ["--execute=SELECT 1"]), timeout_seconds)
        with open(source, "rb") as file:
            self._execute(self._tool("", []), timeout_seconds, stdin=file)

    def _tool(self, which: str, arguments: list[str]) -> list[str]:
        new, old = (f"mariadb-{which}", f"mysql{which}") if which else ("mariadb", "mysql")
        script = f'{self._PASSWORD}exec "$(command -v {new} || command -v {old})" --user="$0" "$@"'
        return ["sh", "-c", script, self._user, *arguments]


class _Sqlite:
    """A SQLite file on this machine or in a volume: copied by SQLite's own online backup."""

    writers: list[str] = []

    def __init__(self, config: DatabaseConfig, compose: Compose) -> None:
        assert config.path is not None
        self.label = config.label
        self.needs: list[str] = []
        self._service, self._given = config.service, config.path
        self._compose = compose

    def dump(self, target: Path, timeout_seconds: float) -> None:
        source = self._path()
        if not source.is_file():
            raise BackupError(f"{self.label}: {source} does not exist")
        try:
            with (
                files.produced(target),
                contextlib.closing(sqlite3.connect(f"file:{source}?mode=rw", uri=True)) as live,
                contextlib.closing(sqlite3.connect(target)) as copy,
            ):
                live.backup(copy)
        except sqlite3.Error as error:
            if "full" in str(error):
                raise NoSpaceError(f"no space left for {self.label}") from None
            raise BackupError(f"{self.label}: {error}") from None

    def restore(self, source: Path, timeout_seconds: float) -> None:
        target = self._path()
        attributes = Attributes.of(target if target.exists() else target.parent)
        if not target.exists():
            attributes = Attributes(0o644, attributes.uid, attributes.gid)
        for suffix in ("-wal", "-shm", "-journal"):
            files.remove(target.with_name(target.name + suffix))
        files.copy(source, target, attributes)

    def _path(self) -> Path:
        """Where the file is on this machine, by the mounts of the service's container."""
        if self._service is None:
            return self._given
        for container in self._compose.containers():
            if container.service != self._service:
                continue
            for mount in container.mounts:
                if self._given.is_relative_to(mount.destination):
                    return mount.source / self._given.relative_to(mount.destination)
        raise ConfigError(
            f"{self.label}: no volume or directory is mounted over it in the service {self._service}",
            hint="a file in a container's own layer is lost with the container; put it into a volume",
        )


class _Volume:
    """A volume whose content nobody can copy while it is written to."""

    needs: list[str] = []

    def __init__(self, config: DatabaseConfig, compose: Compose) -> None:
        assert config.name is not None
        self.label = config.label
        self._key, self._compose = config.name, compose
        self.writers = compose.present.writers_of(self._key)

    def dump(self, target: Path, timeout_seconds: float) -> None:
        directory = self._compose.volume_path(self._key)
        options = ["--create", "--numeric-owner", "--xattrs", "--acls", "--sparse"]
        with files.produced(target):
            self._tar([*options, f"--file={target}", f"--directory={directory}", "."], timeout_seconds)

    def restore(self, source: Path, timeout_seconds: float) -> None:
        directory = self._compose.volume_path(self._key)
        argv = ["find", str(directory), "-mindepth", "1", "-delete"]
        done = process.run(argv, timeout_seconds=timeout_seconds)
        if done.status:
            raise BackupError(f"{self.label}: cannot empty the volume: {done.problem}")
        options = [
            "--extract",
            "--numeric-owner",
            "--same-owner",
            "--preserve-permissions",
            "--xattrs",
            "--acls",
        ]
        self._tar([*options, f"--file={source}", f"--directory={directory}"], timeout_seconds)

    def _tar(self, arguments: list[str], timeout_seconds: float) -> None:
        done = process.run(["tar", *arguments], timeout_seconds=timeout_seconds)
        if done.status:
            if "no space left" in done.problem.lower():
                raise NoSpaceError(f"no space left for {self.label}")
            raise BackupError(f"{self.label}: tar failed: {done.problem}")
