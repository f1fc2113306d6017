"""The gateway software is replaced in mid-transaction: the new one ends what the old one began (F35).

What the old version wrote is made of what this one writes, less all that was added since.
"""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.support.gateway.site import Site

pytestmark = [pytest.mark.docker, pytest.mark.case("F35"), pytest.mark.timeout(1200)]

# What version 0.1.0 kept in a plan, see data/journal-1.sql.
PLAN_OF_THE_FIRST = {
    *("manifest_sha256", "files", "change", "stopped", "backup", "backup_at"),
    *("before", "keep_databases", "failure"),
}
PARTS_OF_THE_FIRST = {"change": {"changed", "added", "removed"}, "before": {"running", "well", "probes"}}
CASES = {
    "journal.begin.after": "FAILED",
    "journal.advance.BACKED_UP.after": "FAILED",
    "journal.advance.PULLED.after": "FAILED",
    "journal.intend.STOPPED.after": "ROLLED_BACK",
    "journal.advance.STOPPED.after": "ROLLED_BACK",
    "journal.advance.APPLIED.after": "ROLLED_BACK",
    "journal.advance.STARTED.after": "ROLLED_BACK",
    "journal.part.rollback.files.end.after": "ROLLED_BACK",
    "journal.advance.HEALTHY.after": "SUCCEEDED",
}


def as_the_first_version_wrote_it(site: Site) -> None:
    with closing(sqlite3.connect(site.config.journal_path)) as journal, journal:
        journal.execute("DROP TABLE upgrades")
        journal.execute("DELETE FROM facts WHERE key = 'schema_level'")
        for number, raw in journal.execute("SELECT number, plan FROM transactions").fetchall():
            plan = {key: value for key, value in json.loads(raw).items() if key in PLAN_OF_THE_FIRST}
            for part, known in PARTS_OF_THE_FIRST.items():
                if part in plan:
                    plan[part] = {key: value for key, value in plan[part].items() if key in known}
            journal.execute("UPDATE transactions SET plan = ? WHERE number = ?", (json.dumps(plan), number))


def as_a_later_version_writes_it(site: Site) -> None:
    with closing(sqlite3.connect(site.config.journal_path)) as journal, journal:
        journal.execute("UPDATE facts SET value = '99' WHERE key = 'schema_level'")
        for table in ("transactions", "steps", "outbox", "backups"):
            with_later = [row[1] for row in journal.execute(f"PRAGMA table_info({table})")]
            if "later" not in with_later:
                journal.execute(f"ALTER TABLE {table} ADD COLUMN later TEXT")
        journal.execute(
            "UPDATE transactions SET plan = json_set(plan, '$.later', 1, '$.change.later', 1, '$.before.later', 1)"
        )


def recover(site: Site) -> dict[str, Any]:
    """As the command does, without the second that it takes to start one."""
    with site.engine() as (engine, _):
        return engine.recover()


@pytest.mark.parametrize(
    ("rewrite", "cases"),
    [
        pytest.param(as_the_first_version_wrote_it, CASES, id="older"),
        pytest.param(as_a_later_version_writes_it, dict(list(CASES.items())[-3:]), id="newer"),
    ],
)
def test_another_version_ends_what_was_interrupted_in_any_state(site: Site, rewrite, cases) -> None:
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")}, {"config/app.conf": b"second\n"})
    files = site.files()
    for point, outcome in cases.items():
        asked = ["update", "--version", "1.1.0", "--force"]
        if ".rollback." in point:
            assert site.client(*asked).returncode == 0
            asked = ["rollback"]
        died = site.client(*asked, OTA_CRASH_AT=point)
        assert died.returncode == -signal.SIGKILL, f"{point} was not reached: {died.stdout}{died.stderr}"
        rewrite(site)

        result = recover(site)

        assert result["outcome"] == outcome, (point, result["reason"])
        expected = "1.1.0" if outcome == "SUCCEEDED" else "1.0.0"
        assert site.version_of("app") == expected, point
        assert outcome == "SUCCEEDED" or site.files() == files, point
        assert site.readings() == [4.5], point
        assert recover(site)["outcome"] == "SKIPPED", point
