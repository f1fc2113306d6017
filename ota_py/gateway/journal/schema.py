"""The journal's file: made whole or not at all, and opened only when it has a schema that is known here."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ota_py.errors import JournalError, NoSpaceError
from ota_py.gateway.journal import migrations
from ota_py.gateway.system import files

APPLICATION_ID = 0x4F544131  # "OTA1": tells our file from any other SQLite database
# Raised only by a change that older software cannot live with; all others are steps of migrations.py.
SCHEMA_VERSION = 1
BUSY_SECONDS = 10

SCHEMA = """
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE transactions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    version TEXT NOT NULL,
    from_version TEXT NOT NULL,
    rollout INTEGER,
    state TEXT NOT NULL,
    intent TEXT,
    created_at TEXT NOT NULL,
    finished_at TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    error TEXT,
    downtime_seconds REAL,
    plan TEXT NOT NULL,
    clock TEXT NOT NULL
) STRICT;
CREATE TABLE steps (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    transaction_id TEXT NOT NULL REFERENCES transactions (id),
    name TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    done_at TEXT,
    seconds REAL
) STRICT;
CREATE TABLE backups (
    id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    transaction_id TEXT,
    created_at TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE floor (role TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;
CREATE TABLE known_bad (
    version TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL
) STRICT;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, transaction_id TEXT, body TEXT NOT NULL
) STRICT;
"""

_HINT = "nothing was guessed or changed; restore the file from a backup, or ask for help before removing it"


def connect(path: Path, backups: Path) -> sqlite3.Connection:
    """Open the journal, or make it where there is none, and add the tables that newer software needs.

    Args:
        path: the journal's file.
        backups: the directory of backups; where it has some, a missing journal was lost, not new.

    Raises:
        JournalError: not a journal of this schema version, damaged, or lost.
    """
    if not path.exists():
        if backups.is_dir() and any(backups.iterdir()):
            raise JournalError(f"the journal {path} is gone, but there are backups", hint=_HINT)
        with _sole_maker(path):
            if not path.exists():
                _create(path)
    with translated(path):
        if path.stat().st_size == 0:
            raise JournalError(f"the journal {path} is empty", hint=_HINT)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        _check(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrations.bring_up_to_date(connection)
        return connection


@contextlib.contextmanager
def _sole_maker(path: Path) -> Iterator[None]:
    """Hold the lock for making the journal: agent and command may both be the first to open it."""
    files.make_directory(path.parent, 0o700)
    with translated(path):
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _create(path: Path) -> None:
    """Make the journal's file aside and rename it: a power cut never leaves half a journal."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with translated(path):
        with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            # Here, where no other process has it open: two that change the mode at once lock each other out.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; {SCHEMA}"
            )
        os.chmod(draft, 0o600)
        files.sync(draft)
        files.rename(draft, path)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise JournalError(f"{path} is not a journal of this software", hint=_HINT)
    if version != SCHEMA_VERSION:
        raise JournalError(
            f"the journal {path} has schema version {version}, expected {SCHEMA_VERSION}",
            hint="install the version of the gateway software that wrote it",
        )
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise JournalError(f"the journal {path} is damaged: {verdict}", hint=_HINT)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's exceptions into ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise NoSpaceError(f"no space to write the journal {path}", hint="free some space") from None
        raise JournalError(f"the journal {path} cannot be used: {error}") from None
    except sqlite3.DatabaseError as error:
        raise JournalError(f"the journal {path} is damaged: {error}", hint=_HINT) from None
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be used: {error.strerror}") from None
