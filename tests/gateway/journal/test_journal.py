"""The journal: a record is there after a crash, and its report with it, or neither."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota_py.contract.transactions import State
from ota_py.errors import ConflictError, JournalError
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.journal.floor import JournalFloor
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from ota_py.gateway.system.clock import Clock


@pytest.fixture
def config(tmp_path: Path) -> GatewayConfig:
    return GatewayConfig(
        gateway_id="site_1",
        fleet="tests",
        state_dir=tmp_path / "state",
        repository_url="file:///nowhere",
        initial_version="1.0.0",
    )


@pytest.fixture
def journal(config: GatewayConfig) -> Iterator[Journal]:
    with Journal(config) as opened:
        yield opened


def begin(journal: Journal, version: str = "1.1.0") -> str:
    return journal.begin("update", version, 7, {"a": 1}, Clock.started(60)).id


def walk(journal: Journal, transaction_id: str, *states: State, **options: object) -> None:
    for state in states:
        journal.advance(journal.transaction(transaction_id), state, **options)  # type: ignore[arg-type]


TO_PULLED = (State.VERIFIED, State.BACKED_UP, State.PULLED)
TO_HEALTHY = (*TO_PULLED, State.STOPPED, State.APPLIED, State.STARTED, State.HEALTHY)


def test_a_new_journal_says_what_provisioning_said(journal: Journal) -> None:
    assert journal.installed_version == "1.0.0"
    assert journal.open_transaction() is None
    assert journal.known_bad() == {}


def test_a_transaction_survives_its_process(config: GatewayConfig, journal: Journal) -> None:
    new = begin(journal)
    walk(journal, new, *TO_PULLED)
    journal.intend(journal.transaction(new), State.STOPPED)
    with Journal(config) as other:
        found = other.open_transaction()
    assert found is not None
    assert (found.id, found.state, found.intent, found.rollout) == (new, State.PULLED, State.STOPPED, 7)
    assert found.touched


def test_a_commit_changes_what_is_installed_and_a_rollback_does_not(journal: Journal) -> None:
    walk(journal, begin(journal), *TO_HEALTHY, State.COMMITTED)
    assert journal.installed_version == "1.1.0"
    walk(
        journal,
        begin(journal, "1.2.0"),
        *TO_HEALTHY[:-1],
        State.ROLLING_BACK,
        State.ROLLED_BACK,
        reason="why",
    )
    assert journal.installed_version == "1.1.0"
    assert journal.known_bad() == {"1.2.0": "why"}
    assert journal.rolled_back_count("1.2.0") == 1


def test_a_wrong_turn_writes_nothing(journal: Journal) -> None:
    new = begin(journal)
    reports = Outbox(journal).pending()
    with pytest.raises(ConflictError):
        journal.advance(journal.transaction(new), State.COMMITTED)
    assert journal.transaction(new).state is State.RECEIVED
    assert Outbox(journal).pending() == reports


def test_change_and_report_are_one(journal: Journal) -> None:
    new = begin(journal)

    def lost_half_way() -> None:
        with journal.write("test") as connection:
            connection.execute("UPDATE transactions SET state = 'VERIFIED'")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        lost_half_way()
    assert journal.transaction(new).state is State.RECEIVED
    assert [report["state"] for report in Outbox(journal).pending()] == ["RECEIVED"]


def test_reports_are_numbered_for_ever_and_forgotten_once(journal: Journal) -> None:
    walk(journal, begin(journal), State.VERIFIED, State.FAILED)
    outbox = Outbox(journal)
    reports = outbox.pending()
    assert [report["seq"] for report in reports] == [1, 2, 3]
    assert outbox.acknowledge([report["id"] for report in reports]) == 3
    assert outbox.acknowledge([reports[0]["id"]]) == 0
    outbox.alarm("look here")
    assert [report["seq"] for report in outbox.pending()] == [4]


def test_the_floor_is_never_lowered(journal: Journal) -> None:
    floor = JournalFloor(journal)
    floor.raise_to("timestamp", 5)
    floor.raise_to("timestamp", 3)
    assert floor.get("timestamp") == 5
    assert floor.get("root") == 0


def test_a_part_of_the_way_back_is_done_once(journal: Journal) -> None:
    transaction = journal.transaction(begin(journal))

    def lost_half_way() -> None:
        with journal.part(transaction, "rollback.files") as needed:
            assert needed
            raise RuntimeError

    with pytest.raises(RuntimeError):
        lost_half_way()
    with journal.part(transaction, "rollback.files") as needed:
        assert needed, "a part that did not end is done again"
    with journal.part(transaction, "rollback.files") as needed:
        assert not needed


def test_broken_is_remembered_across_refused_updates(journal: Journal) -> None:
    walk(journal, begin(journal), *TO_HEALTHY[:-1], State.ROLLING_BACK, State.BROKEN)
    assert journal.is_broken()
    walk(journal, begin(journal), State.FAILED)
    assert journal.is_broken()


def test_settings_that_keep_what_was_committed(config: GatewayConfig, journal: Journal) -> None:
    (mode,) = journal.read("PRAGMA journal_mode")[0]
    (level,) = journal.read("PRAGMA synchronous")[0]
    assert (mode, level) == ("wal", 2)
    assert config.journal_path.stat().st_mode & 0o777 == 0o600


def test_a_crash_while_the_journal_is_made_leaves_no_journal(config: GatewayConfig) -> None:
    config.state_dir.mkdir()
    draft = config.journal_path.with_name("journal.db.new")
    draft.write_bytes(b"half")
    with Journal(config) as journal:
        assert journal.installed_version == "1.0.0"
    assert not draft.exists()


def test_another_program_s_database_is_left_alone(config: GatewayConfig) -> None:
    config.state_dir.mkdir()
    with sqlite3.connect(config.journal_path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = config.journal_path.read_bytes()
    with pytest.raises(JournalError, match="is not a journal of this software"):
        Journal(config)
    assert config.journal_path.read_bytes() == before


def test_two_that_open_a_new_journal_at_once_make_one(config: GatewayConfig) -> None:
    """The agent and a command after provisioning; each used to remove the other's half-made file."""

    def open_and_write(number: int) -> None:
        with Journal(config) as journal:
            journal.begin("update", f"1.0.{number}", None, {}, Clock.started(60))

    children = [multiprocessing.get_context("fork").Process(target=open_and_write, args=(n,)) for n in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0] * 8
    with Journal(config) as journal:
        assert journal.read("SELECT count(*) AS n FROM transactions")[0]["n"] == 8
