"""The online copy of a SQLite database: one state of it, within its time. No Docker."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ota_py.errors import BackupError, DeadlineError
from ota_py.gateway.backup import database_sqlite
from ota_py.gateway.backup.database_sqlite import Sqlite
from ota_py.gateway.config.model import DatabaseConfig


@pytest.fixture(params=["wal", "delete"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "readings.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"PRAGMA journal_mode = {request.param}")
        database.execute("CREATE TABLE readings (value BLOB)")
        database.executemany("INSERT INTO readings VALUES (?)", [(bytes(4000),)] * 2000)
    return path


def database(path: Path) -> Sqlite:
    compose: Any = SimpleNamespace(writable_paths=set)  # no service writes there
    return Sqlite(DatabaseConfig(type="sqlite", path=path), compose)


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as found:
        return int(found.execute("SELECT count(*) FROM readings").fetchone()[0])


def test_a_service_that_writes_all_the_time_does_not_keep_a_copy_from_its_end(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_sqlite, "_PAGES", 10)  # many portions, and a write between any two
    over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, 30)) as service:
            while not over.wait(0.001):
                with service:
                    service.execute("INSERT INTO readings VALUES ('x')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        database(path).dump(tmp_path / "copy", 60)
    finally:
        over.set()
        writer.join()
    assert 2000 <= rows(tmp_path / "copy") <= rows(path)


def test_a_copy_ends_when_its_time_is_up(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_sqlite, "_PAGES", 10)
    with pytest.raises(DeadlineError, match="was not copied within 0 s"):
        database(path).dump(tmp_path / "copy", 0.001)


def test_a_database_that_is_locked_is_waited_for_no_longer_than_that(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as service:
        service.execute("PRAGMA locking_mode = EXCLUSIVE")
        service.execute("BEGIN EXCLUSIVE")
        service.execute("INSERT INTO readings VALUES ('x')")
        begun = time.monotonic()
        with pytest.raises((BackupError, DeadlineError)):
            database(path).dump(tmp_path / "copy", 0.3)
        assert time.monotonic() - begun < 20
