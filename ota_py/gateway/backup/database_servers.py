"""Database servers in a service: dumped and restored by the server's own tools, in its own container."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ota_py.errors import BackupError, HealthError, NoSpaceError
from ota_py.gateway.backup.database import Facts
from ota_py.gateway.config.model import DatabaseConfig
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.system import files

READY_SECONDS = 120
COMMAND_SECONDS = 60
_POSTGRESQL_MAGIC = b"PGDMP"
_MYSQL_END = b"-- Dump completed"
# As text a row takes more than in its page; a dump of small numbers came to less than twice as much.
_MYSQL_TEXT_FACTOR = 2


class _Server:
    def __init__(self, config: DatabaseConfig, compose: Compose) -> None:
        assert config.service is not None
        assert config.user is not None
        assert config.name is not None
        self.label = config.label
        self.needs = [config.service]
        self._service, self._user, self._name = config.service, config.user, config.name
        self._compose = compose

    def writers(self) -> list[str]:
        """See `Database`."""
        return []

    def place(self) -> Path | None:
        """See `Database`."""
        return None

    def _execute(
        self,
        command: Sequence[str],
        timeout_seconds: float,
        *,
        stdin: IO[bytes] | bytes | None = None,
        stdout: IO[bytes] | None = None,
    ) -> bytes:
        done = self._compose.exec(self._service, command, timeout_seconds=timeout_seconds, stdin=stdin, stdout=stdout)
        if done.status:
            if "no space left" in done.problem.lower():
                raise NoSpaceError(f"no space left for {self.label}: {done.problem}")
            raise BackupError(f"{self.label}: `{command[0]}` failed: {done.problem}")
        return done.stdout

    def _wait_until_ready(self, command: Sequence[str], timeout_seconds: float) -> None:
        deadline = time.monotonic() + min(READY_SECONDS, timeout_seconds)
        while True:
            try:
                self._execute(command, COMMAND_SECONDS)
                return
            except (BackupError, HealthError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def _number(self, answer: bytes) -> int:
        try:
            return int(answer)
        except ValueError:
            raise BackupError(f"{self.label}: its size was asked for, got {answer[:80]!r}") from None


class PostgreSql(_Server):
    """A PostgreSQL database."""

    def size(self) -> int:
        """See `Database`. Too much rather than too little: a dump has no indexes, and is compressed."""
        question = f"SELECT pg_database_size({_literal(self._name)})"
        return self._number(self._execute(self._psql(question), COMMAND_SECONDS))

    def dump(self, target: Path, timeout_seconds: float) -> Facts:
        """See `Database`."""
        argv = ["pg_dump", "--format=custom", f"--username={self._user}", f"--dbname={self._name}"]
        with files.create(target) as file:
            self._execute(argv, timeout_seconds, stdout=file)
        with open(target, "rb") as file:
            if file.read(len(_POSTGRESQL_MAGIC)) != _POSTGRESQL_MAGIC:
                raise BackupError(f"{self.label}: pg_dump wrote no archive")
        return {}

    def restore(self, source: Path, facts: Facts, timeout_seconds: float) -> None:
        """See `Database`."""
        self._wait_until_ready(self._psql("SELECT 1"), timeout_seconds)
        end_sessions = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = {_literal(self._name)} AND pid <> pg_backend_pid()"
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
        argv = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--tuples-only", "--no-align"]
        return [*argv, f"--username={self._user}", f"--dbname={self._maintenance}", "--command", statement]


class MySql(_Server):
    """A MySQL or MariaDB database; the password is the one that the container's own environment has."""

    # As the official images have it: for root or for the user, as a value or as a file with it.
    _PASSWORD = """
case $0 in
    root)
        password=${MARIADB_ROOT_PASSWORD:-${MYSQL_ROOT_PASSWORD:-}}
        file=${MARIADB_ROOT_PASSWORD_FILE:-${MYSQL_ROOT_PASSWORD_FILE:-}} ;;
    *)
        password=${MARIADB_PASSWORD:-${MYSQL_PASSWORD:-}}
        file=${MARIADB_PASSWORD_FILE:-${MYSQL_PASSWORD_FILE:-}} ;;
esac
[ -n "$password" ] || [ -z "$file" ] || password=$(cat "$file")
export MYSQL_PWD="$password"
"""
    _SIZE = "SELECT coalesce(sum(data_length), 0) FROM information_schema.tables WHERE table_schema = {name}"
    _SESSIONS = (
        "SELECT concat('KILL ', id, ';') FROM information_schema.processlist "
        "WHERE db = {name} AND id <> connection_id()"
    )
    _DUMP_OPTIONS = (
        *("--single-transaction", "--quick", "--routines", "--triggers", "--events", "--hex-blob"),
        *("--add-drop-database", "--comments", "--no-tablespaces", "--max-allowed-packet=1G"),
        # MySQL's alone: ids of transactions cannot be set where there are some already.
        "--loose-set-gtid-purged=OFF",
    )

    def size(self) -> int:
        """See `Database`."""
        self._query(f"USE {_identifier(self._name)}")
        return _MYSQL_TEXT_FACTOR * self._number(self._query(self._SIZE.format(name=_literal(self._name))))

    def dump(self, target: Path, timeout_seconds: float) -> Facts:
        """See `Database`."""
        argv = self._tool("dump", [*self._DUMP_OPTIONS, "--databases", self._name])
        with files.create(target) as file:
            self._execute(argv, timeout_seconds, stdout=file)
        with open(target, "rb") as file:
            file.seek(-min(target.stat().st_size, 200), 2)
            if _MYSQL_END not in file.read():
                raise BackupError(f"{self.label}: the dump does not end as a whole one does")
        return {}

    def restore(self, source: Path, facts: Facts, timeout_seconds: float) -> None:
        """See `Database`."""
        self._wait_until_ready(self._tool("", ["--execute=SELECT 1"]), timeout_seconds)
        # A session with an open table would keep it from being dropped; one that ended meanwhile is no error.
        kills = self._query(self._SESSIONS.format(name=_literal(self._name)))
        self._execute(self._tool("", ["--force"]), COMMAND_SECONDS, stdin=kills)
        # The dump drops the database: objects that the update added must not survive.
        with open(source, "rb") as file:
            self._execute(self._tool("", ["--max-allowed-packet=1G"]), timeout_seconds, stdin=file)

    def _query(self, statement: str) -> bytes:
        argv = self._tool("", ["--batch", "--skip-column-names", f"--execute={statement}"])
        return self._execute(argv, COMMAND_SECONDS)

    def _tool(self, which: str, arguments: list[str]) -> list[str]:
        new, old = (f"mariadb-{which}", f"mysql{which}") if which else ("mariadb", "mysql")
        script = f'{self._PASSWORD}exec "$(command -v {new} || command -v {old})" --user="$0" "$@"'
        return ["sh", "-c", script, self._user, *arguments]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"
