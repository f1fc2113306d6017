"""The rollback: whatever the new version does, the gateway ends entirely on the old one."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import pytest

from ota_py.gateway.journal.journal import Journal
from tests.support.gateway.site import CRASHES_SOON, EXITS, NEVER_READY, RUNS, UNHEALTHY, Site

pytestmark = pytest.mark.docker


def assert_back(site: Site, result: dict[str, Any], files: dict[str, Any]) -> None:
    assert result["outcome"] == "ROLLED_BACK", result
    assert result["changed"]
    assert site.files() == files
    assert site.version_of("app") == "1.0.0"
    assert site.readings() == [4.5]
    with Journal(site.config) as journal:
        assert journal.installed_version == "1.0.0"


def test_an_unhealthy_service_is_rolled_back_with_its_log_and_the_database_as_it_was(site: Site) -> None:
    writes = b"#!/bin/sh\necho $$ starts badly\n" + RUNS
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", writes, UNHEALTHY)},
                 {"config/app.conf": b"second\n", "config/new.conf": b"new\n"})  # fmt: skip
    files, before = site.files(), site.ids()

    with site.engine() as (engine, journal):
        take = engine._take

        def migrate(transaction, step, update):
            if step == "HEALTHY":
                with closing(site.database()) as database, database:
                    database.execute("DELETE FROM readings")
                    database.execute("CREATE TABLE added (by_update TEXT)")
            return take(transaction, step, update)

        engine._take = migrate
        from ota_py.gateway.fetch.sources import from_repository, trust_client

        source = from_repository(trust_client(site.config, journal), "1.1.0")
        result = engine.update(source.verified, source.fetch)

    assert_back(site, result, files)
    assert result["reason"] == "the service app is unhealthy by its own healthcheck"
    details = result["reports"][-1]["details"]
    assert details["failing_service"] == "app"
    assert any("starts badly" in line for line in details["log_tail"])
    assert result["reports"][-1]["state"] == "ROLLED_BACK"
    with closing(site.database()) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("readings",)]
    assert site.ids()["broker"] == before["broker"]
    assert site.client("health-check").returncode == 0


def test_a_service_that_exits_is_rolled_back_with_its_last_twenty_lines(site: Site) -> None:
    site.publish("1.1.0", {"store": site.push("store", "1.1.0", EXITS)})
    site.configure(settle=6)
    files = site.files()

    result = site.update("1.1.0")

    assert_back(site, result, files)
    details = result["reports"][-1]["details"]
    assert details["failing_service"] == "store"
    assert details["log_tail"] == [f"line {n}" for n in range(11, 31)]


@pytest.mark.case("F31")
def test_a_service_that_crashes_again_and_again_is_rolled_back(site: Site) -> None:
    site.publish("1.1.0", {"store": site.push("store", "1.1.0", CRASHES_SOON)})
    site.configure(settle=6)
    files = site.files()

    result = site.update("1.1.0")

    assert_back(site, result, files)
    assert re.search("restarted [3-9] times(, last exit status 1)?$", result["reason"]), result["reason"]


@pytest.mark.case("F22")
def test_a_probe_that_the_update_breaks_rolls_it_back(site: Site) -> None:
    site.publish("1.1.0", {"broker": site.push("broker", "1.1.0")})
    site.configure(patience=10)
    files = site.files()

    result = site.update("1.1.0")

    assert_back(site, result, files)
    assert f"the probe mqtt 127.0.0.1:{site.port}" in result["reason"]
    details = result["reports"][-1]["details"]
    assert (details["failing_service"], details["log_tail"]) == ("broker", ["running 1.1.0"])
    assert site.client("health-check").returncode == 0


@pytest.mark.case("F22")
def test_a_probe_that_failed_before_does_not_count(site: Site) -> None:
    site.container("broker").stop(timeout=1)
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})

    assert site.update("1.1.0")["outcome"] == "SUCCEEDED"


def test_time_that_is_up_rolls_back(site: Site) -> None:
    image = site.push("app", "1.1.0", RUNS, NEVER_READY)
    site.publish("1.1.0", {"app": image}, timeout_minutes=0.25)
    files = site.files()

    result = site.update("1.1.0")

    assert_back(site, result, files)
    assert result["error"]["code"] == "deadline"
    assert result["reason"].startswith("time was up while waiting for health: app has not passed")
    details = result["reports"][-1]["details"]
    assert (details["failing_service"], details["log_tail"]) == ("app", ["running 1.1.0"])


def test_a_version_that_was_rolled_back_is_tried_again_only_when_forced(site: Site) -> None:
    site.publish("1.1.0", {"store": site.push("store", "1.1.0", EXITS)})
    site.configure(settle=6)
    site.update("1.1.0")
    before = site.ids()

    refused = site.client_json("update", "--version", "1.1.0", status=21)
    assert refused["outcome"] == "FAILED"
    assert refused["error"]["code"] == "known_bad"
    assert site.client_json("update")["outcome"] == "SKIPPED"
    assert site.ids() == before

    forced = site.client_json("update", "--version", "1.1.0", "--force", status=31)
    assert forced["outcome"] == "ROLLED_BACK"


def test_an_operator_goes_back_to_the_version_before(site: Site) -> None:
    files = site.files()
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")}, {"config/new.conf": b"new\n"})
    site.update("1.1.0")
    site.insert(9.9)

    result = site.client_json("rollback")

    assert_back(site, result, files)
    assert result["error"] is None
    assert site.client_json("status")["known_bad"] == {"1.1.0": "an operator rolled 1.1.0 back"}
    assert site.client("rollback").returncode == 6


@pytest.mark.case("F33")
def test_an_operator_may_keep_the_databases(site: Site) -> None:
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
    site.update("1.1.0")
    site.insert(9.9)

    assert site.client_json("rollback", "--keep-databases")["outcome"] == "ROLLED_BACK"
    assert site.readings() == [4.5, 9.9]


def test_a_volume_is_copied_once_its_writers_stopped(site: Site) -> None:
    site.configure(databases='[[databases]]\ntype = "volume"\nname = "data"\n')
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", RUNS, UNHEALTHY)})
    files, before = site.files(), site.ids()

    result = site.update("1.1.0")

    assert_back(site, result, files)
    assert site.ids()["store"] == before["store"], "stopped and started, not replaced"
    assert site.container("store").status == "running"


@pytest.mark.case("F14")
def test_a_backup_that_was_altered_is_not_restored_and_calls_for_help(site: Site) -> None:
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
    site.update("1.1.0")
    (backup,) = site.config.backups_dir.iterdir()
    (backup / "files" / "docker-compose.yml").write_text("services: {}\n")
    before = site.files()

    done = site.client("rollback", "--json")

    assert done.returncode == 26
    assert "has sha256" in done.stdout
    assert site.files() == before
