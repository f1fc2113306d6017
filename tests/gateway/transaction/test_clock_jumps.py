"""A clock that jumps in mid-update: down times, and what came after a backup, do not follow it. No Docker."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ota_py.contract.transactions import State
from ota_py.gateway.backup.index import Backup
from ota_py.gateway.docker.project import ServiceChanges
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.plan import NewFile, TransactionPlan
from ota_py.gateway.journal.states import STEPS
from ota_py.gateway.system import clock
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.transaction import diagnosis, restore
from tests.support.gateway import gateways

pytestmark = pytest.mark.case("F34")


def stamp(seconds: float) -> str:
    """Seconds from now, negative for the past."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize("jump", [-3600.0, 0.0, 56 * 365 * 86400.0])
def test_within_one_boot_the_down_time_is_what_passed(jump: float) -> None:
    touched = replace(Clock.started(1800), spent=2.0)
    down = diagnosis.down_since(stamp(-2 - jump), touched)
    assert down is not None
    assert 2 <= down < 30


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (-7200.0, 7200),  # two hours without power
        (3600.0, None),  # set back: the time that the gateway was up, at least
        (-56 * 365 * 86400.0, None),  # it began in 1970
    ],
)
def test_across_a_power_cut_the_clock_is_believed_within_reason(since: float, expected: int | None) -> None:
    before_the_cut = replace(Clock.started(1800), spent=5.0, boot="another")
    down = diagnosis.down_since(stamp(since), before_the_cut)
    if expected:
        assert down is not None
        assert expected <= down < max(expected + 30, before_the_cut.elapsed() + 30)
    elif since > 0:
        assert down == pytest.approx(before_the_cut.elapsed(), abs=30)
    else:
        assert down is None


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [([0.36, 0.5], 0.5), ([], None), ([-3600.0], None), ([0.4, 3600.0], None)],
)
def test_the_engines_events_are_believed_within_what_starting_took(
    monkeypatch: pytest.MonkeyPatch, gaps: list[float], expected: float | None
) -> None:
    monkeypatch.setattr(diagnosis, "_gaps", lambda *_: gaps)
    plan = TransactionPlan(change=ServiceChanges(changed=["app"]))
    transaction: Any = SimpleNamespace(plan=plan.as_dict())
    context: Any = SimpleNamespace(compose=None)
    assert diagnosis.downtime(context, transaction, since=0.0, took=2.0) == expected


def commit(journal: Journal, version: str, adds: str) -> None:
    plan = TransactionPlan(files=[NewFile(adds, "0" * 64, 0o644, replaces="")])
    transaction = journal.begin("update", version, None, plan.as_dict(), Clock.started(600))
    for state in STEPS[STEPS.index(State.VERIFIED) :]:
        transaction = journal.advance(transaction, state)


@pytest.mark.parametrize("is_of_older_software", [False, True])
def test_what_came_after_a_backup_is_told_by_the_journals_order(tmp_path: Path, is_of_older_software: bool) -> None:
    gateways.write(tmp_path)
    config = gateways.read(tmp_path)
    with Journal(config) as journal:
        commit(journal, "1.2.0", "before.conf")
        backup = Backup("b", "1.2.0", clock.stamp(), ended=journal.last_ended())
        commit(journal, "1.3.0", "after.conf")
        if is_of_older_software:
            backup = replace(backup, ended=None)
        else:  # as if the clock had been set back by a year after the backup
            with closing(sqlite3.connect(config.journal_path)) as raw, raw:
                raw.execute("UPDATE transactions SET finished_at = '2020' || substr(finished_at, 5) WHERE number = 2")
        context: Any = SimpleNamespace(journal=journal)
        found = restore._obsolete(context, backup)
    assert "after.conf" in found
    assert "before.conf" not in found
