"""The journal across versions: read by a newer one, and after a return by the older one (F35)."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ota_py.contract.transactions import State
from ota_py.errors import JournalError
from ota_py.gateway.backup.index import parse as parse_backup
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.journal import migrations
from ota_py.gateway.journal.floor import JournalFloor
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from ota_py.gateway.journal.plan import TransactionPlan
from ota_py.gateway.system.clock import Clock

pytestmark = pytest.mark.case("F35")

FIRST = Path(__file__).parent / "data" / "journal-1.sql"
# What a version to come may add: to every table, and to every record.
ADDED_LATER = [f"ALTER TABLE {table} ADD COLUMN later TEXT" for table in ("transactions", "steps", "outbox")]
ADDED_LATER += [
    "CREATE TABLE later (x TEXT) STRICT",
    "UPDATE facts SET value = '99' WHERE key = 'schema_level'",
]


@pytest.fixture
def config(tmp_path: Path) -> GatewayConfig:
    """A gateway whose journal the first version wrote."""
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    with closing(sqlite3.connect(state_dir / "journal.db")) as connection:
        connection.executescript(FIRST.read_text())
    return GatewayConfig(
        gateway_id="site_1",
        fleet="tests",
        state_dir=state_dir,
        repository_url="file:///nowhere",
        initial_version="1.0.0",
    )


def change(config: GatewayConfig, *statements: str) -> None:
    with closing(sqlite3.connect(config.journal_path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def content(config: GatewayConfig) -> list[str]:
    with closing(sqlite3.connect(config.journal_path)) as connection:
        return list(connection.iterdump())


def test_what_the_first_version_wrote_is_all_there(config: GatewayConfig) -> None:
    with Journal(config) as journal:
        assert journal.installed_version == "1.1.0"
        assert journal.known_bad() == {"1.2.0": "app is unhealthy"}
        assert JournalFloor(journal).get("timestamp") == 5
        assert len(Outbox(journal).pending()) == 22
        open_one = journal.open_transaction()
        assert open_one is not None
        assert (open_one.version, open_one.state, open_one.intent) == ("1.3.0", State.PULLED, State.STOPPED)
        assert open_one.touched
        plan = TransactionPlan.of(open_one.plan)
        assert (plan.backup, plan.change.changed, plan.before.probes) == ("20260101T000000Z-1", ["app"], [0])
        (level,) = journal.read("SELECT value FROM facts WHERE key = 'schema_level'")
        assert level["value"] == str(migrations.LEVEL)
        assert journal.read("PRAGMA user_version")[0][0] == 1, "older software refuses any other"


def test_a_step_only_adds(config: GatewayConfig) -> None:
    """The rule of docs/adr/0014: all that older software reads is as it was."""
    before = content(config)
    Journal(config).__exit__()
    assert set(before) <= set(content(config))


def test_bringing_it_up_to_date_twice_changes_nothing(config: GatewayConfig) -> None:
    Journal(config).__exit__()
    before = content(config)
    Journal(config).__exit__()
    assert content(config) == before


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_it_is_brought_up_to_date(config: GatewayConfig, moment: str) -> None:
    before = content(config)
    line = "import sys, pathlib; from ota_py.gateway.journal import schema; "
    line += "schema.connect(*map(pathlib.Path, sys.argv[1:]))"
    argv = [sys.executable, "-c", line, str(config.journal_path), str(config.backups_dir)]
    died = subprocess.run(argv, env={**os.environ, "OTA_CRASH_AT": f"journal.migrate.{moment}"}, check=False)
    assert died.returncode == -9
    if moment == "before":
        assert content(config) == before
    with Journal(config) as journal:
        assert journal.open_transaction() is not None
        assert journal.read("SELECT count(*) AS n FROM upgrades")[0]["n"] == 0


def test_what_a_newer_version_added_is_read_past_and_kept(config: GatewayConfig) -> None:
    Journal(config).__exit__()
    later = """UPDATE transactions SET plan = json_set(plan, '$.later', 1, '$.files[0].later', 1,
        '$.change.later', 1, '$.before.later', 1), clock = json_set(clock, '$.later', 1)"""
    change(config, *ADDED_LATER, later)
    with Journal(config) as journal:
        found = journal.open_transaction()
        assert found is not None
        plan = TransactionPlan.of(found.plan)
        assert plan.files[0].dest == "config/app.conf"
        noted = journal.note(found, **TransactionPlan.of(found.plan).as_dict())
        assert noted.plan["later"] == 1, "the newer version finds it again"
        journal.advance(noted, State.ROLLING_BACK)
        journal.advance(journal.transaction(found.id), State.ROLLED_BACK, reason="as it should be")
        assert journal.known_bad()["1.3.0"] == "as it should be"
        assert journal.begin("update", "1.4.0", None, {}, Clock.started(60)).is_open
        assert journal.read("SELECT value FROM facts WHERE key = 'schema_level'")[0]["value"] == "99"


def test_a_state_that_only_a_newer_version_knows_is_not_guessed(config: GatewayConfig) -> None:
    change(config, "UPDATE transactions SET state = 'FOLDED' WHERE version = '1.3.0'")
    with (
        Journal(config) as journal,
        pytest.raises(JournalError, match="in the state FOLDED, which this version"),
    ):
        journal.open_transaction()


def test_a_change_that_is_no_addition_is_refused(config: GatewayConfig) -> None:
    change(config, "PRAGMA user_version = 2")
    with pytest.raises(JournalError, match="has schema version 2, expected 1"):
        Journal(config)


def test_a_backup_of_a_newer_version_can_be_read() -> None:
    raw = b"""{"id": "b", "version": "1.0.0", "created_at": "x", "later": 1, "images": {}, "databases": [],
        "files": [{"path": "a", "sha256": "s", "mode": 420, "uid": 0, "gid": 0, "later": 1}]}"""
    assert parse_backup(raw).files[0].path == "a"
