"""A database server in a service: dumped online, and after a rollback exactly what it was."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

from lab.images import ImageFactory
from tests.support.gateway.postgresql import CONFIG
from tests.support.gateway.site import RUNS, UNHEALTHY, Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.docker


def sql(site: Site, statement: str) -> str:
    argv = ["psql", "--username=gateway", "--dbname=gateway", "-At", "--command", statement]
    code, output = site.container("database").exec_run(argv)
    for _ in range(5):
        if output or not statement.startswith("SELECT "):
            break
        # On a busy machine the engine was seen to lose what a short command printed.
        code, output = site.container("database").exec_run(argv)
    assert code == 0, output
    return str(output.decode().strip())


@pytest.mark.case("F33")
def test_a_rollback_undoes_what_the_new_version_did_to_postgresql(with_postgresql: Site) -> None:
    site = with_postgresql
    migrates = b"#!/bin/sh\n" + RUNS
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", migrates, UNHEALTHY)})
    sql(site, "SELECT setval('readings_id_seq', 7000)")
    before = sql(site, "SELECT count(*), sum(celsius), max(id) FROM readings")
    with site.engine() as (engine, journal):
        take = engine._take

        def migrate(transaction, step, update):
            if step == "HEALTHY":
                sql(
                    site,
                    "DELETE FROM readings; CREATE TABLE added (x int); ALTER TABLE readings DROP celsius",
                )
            return take(transaction, step, update)

        engine._take = migrate
        from ota_py.gateway.fetch.sources import from_repository, trust_client

        source = from_repository(trust_client(site.config, journal), "1.1.0")
        # Somebody stays connected all the time: that must not keep the database from being restored.
        argv = [
            "docker",
            "exec",
            site.container("database").id,
            "psql",
            "-U",
            "gateway",
            "-c",
            "SELECT pg_sleep(400)",
        ]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as idler:
            idle = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(400)'"
            wait_for(lambda: sql(site, idle) == "1", "the connection")
            result = engine.update(source.verified, source.fetch)
            idler.wait(60)

    assert result["outcome"] == "ROLLED_BACK", result
    assert sql(site, "SELECT count(*), sum(celsius), max(id) FROM readings") == before
    assert sql(site, "SELECT to_regclass('added') IS NULL") == "t"
    # Not nextval: a question whose answer was lost is asked again.
    assert sql(site, "SELECT last_value, is_called FROM readings_id_seq") == "7000|t"
    assert site.client("health-check").returncode == 0


def test_a_restore_that_was_killed_is_done_again(with_postgresql: Site) -> None:
    site = with_postgresql
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", RUNS, UNHEALTHY)})
    before = sql(site, "SELECT count(*), sum(celsius) FROM readings")
    done = site.client("update", "--version", "1.1.0", OTA_CRASH_AT="journal.part.rollback.databases.begin.after")
    assert done.returncode == -9
    sql(site, "DROP TABLE readings")

    assert site.client_json("recover")["outcome"] == "ROLLED_BACK"

    assert sql(site, "SELECT count(*), sum(celsius) FROM readings") == before


def test_a_database_that_cannot_be_dumped_ends_the_update_before_anything_stops(
    with_postgresql: Site,
) -> None:
    site = with_postgresql
    site.configure(databases=CONFIG.replace('name = "gateway"', 'name = "nothing"'))
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
    before = site.ids()

    result = site.client_json("update", "--version", "1.1.0", status=26)

    assert result["outcome"] == "FAILED"
    assert 'database "nothing" does not exist' in result["reason"]
    assert site.ids() == before


def test_a_new_version_of_the_database_server_itself_is_taken_back(
    with_postgresql: Site, registry: Any, layers: Any
) -> None:
    site = with_postgresql
    factory = ImageFactory(registry, layers)
    reference = factory.build_and_push("database", "1.1.0", "unhealthy")
    repository, _, digest = reference.partition("@")
    from ota_py.manifest import Image

    # Its own healthcheck of 40 tries is too patient for a test: let time be up instead. Not the gateway's own
    # time: it limits the rollback, too.
    image = Image(reference=f"{repository}:1.1.0", digest=digest, size=1)
    site.publish("1.1.0", {"database": image}, timeout_minutes=0.1)
    before = sql(site, "SELECT count(*), sum(celsius) FROM readings")

    result = site.update("1.1.0")

    assert result["outcome"] == "ROLLED_BACK", result
    assert sql(site, "SELECT count(*), sum(celsius) FROM readings") == before
    assert site.version_of("database").strip() == "1.0.0"


@pytest.mark.case("F10")
def test_a_disk_that_fills_up_while_a_database_is_dumped(with_postgresql: Site) -> None:
    site = with_postgresql
    state = site.directory / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(state)], check=True)
    try:
        sql(site, "CREATE TABLE big AS SELECT md5(random()::text) FROM generate_series(1, 200000)")
        site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
        before = site.ids()
        site.client_json("update", "--version", "1.1.0", "--until", "VERIFIED")
        (state / "filler").write_bytes(b"x" * (shutil.disk_usage(state).free - 1024**2))

        result = site.client_json("update", "--version", "1.1.0", status=23)

        assert (result["outcome"], result["error"]["code"]) == ("FAILED", "no_space"), result
        assert site.ids() == before
        assert not any(site.config.backups_dir.iterdir())
    finally:
        # Lazily: whoever looks through /tmp may just be in it.
        subprocess.run(["umount", "--lazy", str(state)], check=True)
