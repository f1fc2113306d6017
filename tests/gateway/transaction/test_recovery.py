"""Killed at any point, the gateway is brought to the old version or the new, by the journal alone."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.gateway.site import CLIENT, NEVER_READY, RUNS, UNHEALTHY, Site

pytestmark = pytest.mark.docker

KILLED = -signal.SIGKILL


def publish(site: Site, health: bytes | None = None) -> None:
    image = site.push("app", "1.1.0", RUNS, health) if health else site.push("app", "1.1.0")
    site.publish("1.1.0", {"app": image}, {"config/app.conf": b"second\n", "config/new.conf": b"new\n"})


def killed_at(site: Site, point: str) -> None:
    done = site.client("update", "--version", "1.1.0", OTA_CRASH_AT=point)
    assert done.returncode == KILLED, f"{point} was not reached: {done.stdout}{done.stderr}"


def assert_settled(site: Site) -> None:
    """Recovering once more changes nothing."""
    before, files = site.ids(), site.files()
    again = site.client_json("recover")
    assert again["outcome"] == "SKIPPED"
    assert site.ids() == before
    assert site.files() == files
    assert site.client("health-check").returncode == 0


@pytest.mark.case("F01")
@pytest.mark.parametrize(
    "point",
    ["journal.begin.after", "journal.advance.VERIFIED.before", "journal.backup.after", "docker.pull.after"],
)
def test_killed_before_the_first_touch_nothing_was_touched(site: Site, point: str) -> None:
    publish(site)
    before, files = site.ids(), site.files()
    killed_at(site, point)

    result = site.client_json("recover")

    assert result["outcome"] == "FAILED"
    assert not result["changed"]
    assert site.ids() == before
    assert site.files() == files
    assert not list(site.config.backups_dir.glob("*"))
    assert_settled(site)
    assert site.client_json("update", "--version", "1.1.0")["outcome"] == "SUCCEEDED"


@pytest.mark.case("F01")
@pytest.mark.parametrize(
    "point",
    [
        "journal.intend.STOPPED.after",
        "journal.advance.STOPPED.after",
        "journal.advance.APPLIED.before",
        "journal.intend.STARTED.after",
        "journal.advance.STARTED.before",
        "journal.advance.STARTED.after",
        "journal.advance.HEALTHY.before",
    ],
)
def test_killed_after_the_first_touch_the_old_version_is_restored(site: Site, point: str) -> None:
    publish(site)
    files = site.files()
    killed_at(site, point)

    result = site.client_json("recover")

    assert result["outcome"] == "ROLLED_BACK"
    assert result["reason"] == "interrupted after services were touched"
    assert site.files() == files
    assert site.version_of("app") == "1.0.0"
    assert site.readings() == [4.5]
    assert_settled(site)


@pytest.mark.case("F08")
def test_killed_within_compose_the_project_is_whole_again(site: Site) -> None:
    """The child dies with the engine, wherever it was (F08)."""
    publish(site)
    files = site.files()
    with site.engine() as (engine, journal):
        from ota_py.gateway.fetch.sources import from_repository, trust_client

        source = from_repository(trust_client(site.config, journal), "1.1.0")

        def half_way(transaction, step, update, take=engine._take):
            if step == "STARTED":
                journal.intend(transaction, step)
                old = site.container("app")
                old.rename(f"{old.id[:12]}_{old.name}")
                raise SystemExit
            return take(transaction, step, update)

        engine._take = half_way
        with pytest.raises(SystemExit):
            engine.update(source.verified, source.fetch)

    result = site.client_json("recover")

    assert result["outcome"] == "ROLLED_BACK", result
    assert site.files() == files
    assert site.container("app").name == f"{site.project}-app-1"
    assert_settled(site)


@pytest.mark.case("F01")
@pytest.mark.parametrize("point", ["journal.intend.COMMITTED.after", "journal.advance.HEALTHY.after"])
def test_killed_once_healthy_the_update_is_committed(site: Site, point: str) -> None:
    publish(site)
    killed_at(site, point)

    result = site.client_json("recover")

    assert result["outcome"] == "SUCCEEDED"
    assert site.version_of("app") == "1.1.0"
    assert_settled(site)


@pytest.mark.case("F01", "F03")
@pytest.mark.parametrize(
    "point",
    [
        "journal.advance.ROLLING_BACK.after",
        "journal.part.rollback.files.end.before",
        "journal.part.rollback.databases.end.before",
        "journal.part.rollback.services.end.before",
        "journal.advance.ROLLED_BACK.before",
    ],
)
def test_killed_on_the_way_back_twice_it_goes_on(site: Site, point: str) -> None:
    publish(site, UNHEALTHY)
    files = site.files()
    killed_at(site, point)
    assert site.client("recover", OTA_CRASH_AT="journal.attempt.after").returncode == KILLED

    result = site.client_json("recover")

    assert result["outcome"] == "ROLLED_BACK"
    assert site.files() == files
    assert site.version_of("app") == "1.0.0"
    assert site.readings() == [4.5]
    assert_settled(site)


def test_endless_crashes_end_in_broken_with_an_alarm_and_no_further_try(site: Site) -> None:
    publish(site, UNHEALTHY)
    killed_at(site, "journal.advance.ROLLING_BACK.after")
    for _ in range(3):
        assert site.client("recover", OTA_CRASH_AT="journal.attempt.after").returncode == KILLED

    result = site.client_json("recover", status=32)

    assert result["outcome"] == "BROKEN"
    assert [r["kind"] for r in result["reports"]][-1] == "alarm"
    assert site.client_json("recover")["outcome"] == "SKIPPED"
    refused = site.client("update", "--version", "1.1.0")
    assert refused.returncode == 32
    assert "until a person has looked" in refused.stderr
    told = site.client_json("update", "--version", "1.1.0", "--rollout", "7", status=32)
    assert [(r["state"], r["rollout"]) for r in told["reports"]][-1] == ("FAILED", 7)
    assert site.client_json("status")["broken"], "saying so does not make it whole"


def test_an_update_interrupted_once_may_be_tried_again_but_not_for_ever(site: Site) -> None:
    publish(site)
    for _ in range(2):
        killed_at(site, "journal.advance.STARTED.after")
        site.client_json("recover")
    assert site.client_json("update", "--version", "1.1.0", status=21)["error"]["code"] == "known_bad"


def test_a_transaction_left_open_goes_on_where_it_was(site: Site) -> None:
    publish(site)
    before = site.ids()
    opened = site.client_json("update", "--version", "1.1.0", "--until", "BACKED_UP", "--rollout", "7")
    assert opened["outcome"] == "UNFINISHED"
    assert opened["state"] == "BACKED_UP"
    assert site.ids() == before

    ended = site.client_json("update", "--version", "1.1.0")

    assert ended["transaction"] == opened["transaction"]
    assert ended["outcome"] == "SUCCEEDED"
    assert {report["rollout"] for report in ended["reports"]} == {7}


@pytest.mark.case("F30")
def test_a_transaction_left_open_gives_way_to_another(site: Site) -> None:
    publish(site)
    site.publish("1.2.0", {"app": site.push("app", "1.2.0")})
    opened = site.client_json("update", "--version", "1.1.0", "--until", "VERIFIED")

    assert site.client_json("update", "--version", "1.2.0")["outcome"] == "SUCCEEDED"

    with site.engine() as (_, journal):
        first = journal.transaction(opened["transaction"])
    assert (first.state, first.reason) == ("FAILED", "superseded")


def test_an_idle_gateway_has_nothing_to_recover_even_without_docker(site: Site) -> None:
    result = site.client_json("recover", DOCKER_HOST="unix:///nowhere")
    assert result["outcome"] == "SKIPPED"
    assert result["transaction"] is None


def damage(path: Path, how: str) -> None:
    if how == "empty":
        path.write_bytes(b"")
    elif how == "torn":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "foreign":
        path.write_bytes(b"not a database at all" * 100)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()


@pytest.mark.case("F13")
@pytest.mark.parametrize("how", ["empty", "torn", "foreign", "newer"])
def test_a_journal_that_is_not_ours_is_never_guessed_from(site: Site, how: str) -> None:
    publish(site)
    site.client_json("update", "--version", "1.1.0")
    path = site.config.journal_path
    for extra in ("-wal", "-shm"):
        Path(f"{path}{extra}").unlink(missing_ok=True)
    damage(path, how)
    before = path.read_bytes()

    for command in (["recover"], ["update"], ["status"]):
        done = site.client(*command)
        assert done.returncode == 33, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert path.read_bytes() == before


@pytest.mark.case("F13")
def test_a_journal_that_was_lost_is_not_replaced_by_a_new_one(site: Site) -> None:
    publish(site)
    site.client_json("update", "--version", "1.1.0")
    site.config.journal_path.unlink()
    done = site.client("status")
    assert done.returncode == 33
    assert "is gone, but there are backups" in done.stderr


@pytest.mark.case("F30")
def test_asked_to_end_it_goes_back_first_and_a_lost_terminal_changes_nothing(site: Site) -> None:
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", RUNS, NEVER_READY)})
    argv = [sys.executable, str(CLIENT), "update", "--version", "1.1.0", "--config", str(site.config_file)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "STARTED" in line:
                break
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        process.stdout.close()
        process.terminate()
        process.wait(300)

    assert site.version_of("app") == "1.0.0"
    with site.engine() as (_, journal):
        last = journal.last_transaction()
    assert last is not None
    assert (last.state, last.reason) == ("ROLLED_BACK", "interrupted by the operator")
