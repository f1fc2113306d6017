"""Backups are kept by count and by space, and the last good one whatever it takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota_py.gateway.backup.backups import Backups
from ota_py.gateway.backup.index import Backup, SavedFile
from ota_py.gateway.backup.retention import Retention
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.plan import TransactionPlan
from ota_py.gateway.journal.states import STEPS
from ota_py.gateway.journal.transaction import UPDATE
from ota_py.gateway.system.clock import Clock
from tests.support.gateway import gateways

MIB = 1024**2


class Shelf:
    """The backups of a gateway that has no Docker."""

    def __init__(self, directory: Path, journal: Journal, config: GatewayConfig) -> None:
        self.directory = directory
        self.journal = journal
        self._config = config

    def put(self, name: str, mib: int = 1) -> None:
        """Add a backup, newer than those that are there."""
        directory = self._config.backups_dir / name
        (directory / "files").mkdir(parents=True)
        data = b"x" * mib * MIB
        (directory / "files" / "data").write_bytes(data)
        file = SavedFile("data", hashlib.sha256(data).hexdigest(), 0o600, 0, 0)
        raw = Backup(name, "1.0.0", "", [file]).to_bytes()
        (directory / "backup.json").write_bytes(raw)
        made = f"2026-01-01T00:00:{len(self.names()):02}.000Z"
        with self.journal.write("test") as connection:
            connection.execute(
                "INSERT INTO backups (id, version, created_at, sha256, bytes) VALUES (?, ?, ?, ?, ?)",
                (name, "1.0.0", made, hashlib.sha256(raw).hexdigest(), len(data)),
            )

    def spoil(self, name: str) -> None:
        (self._config.backups_dir / name / "files" / "data").write_bytes(b"y")

    def installed_by(self, backup: str) -> None:
        """Record that the installed version came by an update that made a backup."""
        plan = TransactionPlan(backup=backup).as_dict()
        transaction = self.journal.begin(UPDATE, "1.2.0", None, plan, Clock.started(60))
        for state in STEPS:
            transaction = self.journal.advance(transaction, state)

    def names(self) -> list[str]:
        return [str(row["id"]) for row in self.journal.read("SELECT id FROM backups ORDER BY created_at")]

    def kept(self, count: int = 3, mib: int | None = None) -> list[str]:
        """The backups that are left once the rule was applied; the directories must agree."""
        config = self._config.model_copy(update={"keep_backups": count, "keep_backups_mib": mib})
        backups = Backups(config, self.journal, None, None)  # type: ignore[arg-type]
        Retention(config, self.journal, backups).prune()
        assert sorted(path.name for path in config.backups_dir.iterdir()) == sorted(self.names())
        return self.names()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    gateways.write(tmp_path)
    config = gateways.read(tmp_path)
    with Journal(config) as journal:
        config.backups_dir.mkdir()
        yield Shelf(tmp_path, journal, config)


def test_the_newest_are_kept_and_leftovers_go(shelf: Shelf) -> None:
    for name in "abcd":
        shelf.put(name)
    (shelf.directory / "state" / "backups" / "left-over").mkdir()
    assert shelf.kept(2) == ["c", "d"]


def test_what_a_rollback_needs_stays_beyond_the_count(shelf: Shelf) -> None:
    for name in "abcd":
        shelf.put(name)
    shelf.installed_by("a")
    assert shelf.kept(2) == ["a", "c", "d"]


def test_space_is_a_limit_too_and_what_a_rollback_needs_takes_its_part_first(shelf: Shelf) -> None:
    for name, mib in {"a": 4, "b": 1, "c": 3, "d": 2}.items():
        shelf.put(name, mib)
    shelf.installed_by("a")
    assert shelf.kept(9, mib=7) == ["a", "b", "d"], "a has 4, d fits, c does not, b does"
    assert shelf.kept(9, mib=1) == ["a"]


@pytest.mark.case("F14")
def test_the_last_good_one_stays_where_all_others_are_damaged(shelf: Shelf) -> None:
    for name in "abcd":
        shelf.put(name)
    shelf.installed_by("b")
    for name in "bcd":
        shelf.spoil(name)
    assert shelf.kept(1) == ["a", "b", "d"]


def test_where_no_rollback_needs_one_the_newest_good_one_stays(shelf: Shelf) -> None:
    shelf.put("a")
    shelf.put("b", 3)
    assert shelf.kept(3, mib=2) == ["a", "b"], "b is the newest good one, whatever it takes; a is small"
    shelf.spoil("b")
    assert shelf.kept(1, mib=1) == ["a"]


def test_the_backup_of_an_open_transaction_stays(shelf: Shelf) -> None:
    shelf.put("a")
    shelf.put("b")
    shelf.journal.begin(UPDATE, "1.2.0", None, TransactionPlan(backup="a").as_dict(), Clock.started(60))
    assert shelf.kept(1) == ["a", "b"]
