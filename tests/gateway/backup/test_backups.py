"""Backups at work: restored to the row, refused when damaged, and done without new space."""

from __future__ import annotations

import os
import pty
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ota_py.contract.transactions import State
from ota_py.errors import NoSpaceError
from ota_py.gateway.fetch.sources import from_repository, trust_client
from ota_py.gateway.system import free_space
from ota_py.manifest import Data
from tests.support.files import picture
from tests.support.gateway.site import RUNS, UNHEALTHY, Site

pytestmark = pytest.mark.docker


def update_while(site: Site, version: str, happens: Callable[[], object]) -> dict[str, Any]:
    """Update; when the new version is up, something happens."""
    with site.engine() as (engine, journal):
        take = engine._take

        def act(transaction: Any, step: Any, update: Any) -> Any:
            if step == "HEALTHY":
                happens()
            return take(transaction, step, update)

        engine._take = act  # type: ignore[method-assign]
        source = from_repository(trust_client(site.config, journal), version)
        return engine.update(source.verified, source.fetch)


def publish(site: Site, version: str, health: bytes | None = None, **fields: Any) -> None:
    image = site.push("app", version, RUNS, health) if health else site.push("app", version)
    site.publish(version, {"app": image}, {"config/app.conf": version.encode()}, **fields)


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_person_returns_to_any_backup(site: Site) -> None:
    files, ids = site.files(), site.ids()
    first = site.client_json("backup")["id"]

    # The same version: only the data goes back, and nothing speaks against the version.
    site.insert(7.7)
    assert site.client_json("restore", "--yes")["outcome"] == "ROLLED_BACK"
    assert site.readings() == [4.5]
    assert (site.ids(), site.files()) == (ids, files)
    assert site.client_json("status")["known_bad"] == {}

    site.publish("1.1.0", {"app": site.push("app", "1.1.0")}, {"config/new.conf": b"new\n"})
    site.publish("1.2.0", {"app": site.push("app", "1.2.0")}, {"config/app.conf": b"third\n"})
    assert site.update("1.1.0")["outcome"] == "SUCCEEDED"
    site.insert(8.8)
    assert site.update("1.2.0")["outcome"] == "SUCCEEDED"
    site.insert(9.9)
    between = {name: data for name, data in site.files().items() if name != "config/app.conf"}
    listed = site.client_json("list-backups")["backups"]
    assert [(b["version"], b["rollback"], b["databases"]) for b in listed] == [
        ("1.1.0", True, ["sqlite /data/readings.db"]),
        ("1.0.0", False, ["sqlite /data/readings.db"]),
        ("1.0.0", False, ["sqlite /data/readings.db"]),
    ]
    shown = site.client("list-backups").stdout.splitlines()
    assert shown[0].split() == ["ID", "VERSION", "AGE", "SIZE", "DATABASES"]
    assert shown[1].endswith("sqlite /data/readings.db  rollback")
    assert not shown[3].endswith("rollback")

    # Over two versions, although nobody can read the Compose file any more.
    site.compose_file.write_text("services: [broken\n")
    (site.project_dir / "compose.override.yml").write_text("services: {app: {image: other}}\n")
    back = site.client_json("restore", first, "--yes")
    assert (back["outcome"], back["version"], back["from_version"]) == ("ROLLED_BACK", "1.2.0", "1.0.0")
    assert back["reason"] == f"an operator restored the backup {first} of 1.0.0"
    assert site.files() == files
    assert site.version_of("app") == "1.0.0"
    assert site.readings() == [4.5]
    assert site.client("health-check").returncode == 0
    assert site.client("rollback").returncode == 6

    # And forward again: that speaks for 1.1.0, and not against 1.0.0.
    assert site.client_json("restore", listed[0]["id"], "--yes")["outcome"] == "ROLLED_BACK"
    status = site.client_json("status")
    assert (status["version"], list(status["known_bad"])) == ("1.1.0", ["1.2.0"])
    assert {name: data for name, data in site.files().items() if name != "config/app.conf"}.keys() == between.keys()
    assert site.version_of("app") == "1.1.0"
    assert site.readings() == [4.5, 8.8]


def test_restore_asks_first(site: Site) -> None:
    made = site.client_json("backup")["id"]
    site.insert(7.7)
    assert site.client("restore").returncode == 2
    assert site.client("restore", "--json").returncode == 2
    assert site.client("restore", "20200101t000000-abcdef", "--yes").returncode == 6

    reader, writer = pty.openpty()
    with subprocess.Popen(
        site.client_argv("restore"), stdin=writer, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asked:
        os.write(reader, b"n\n")
        told, _ = asked.communicate(timeout=300)
    os.close(reader)
    os.close(writer)
    assert asked.returncode == 130
    assert f"The gateway runs 1.0.0. The backup {made} is of 1.0.0," in told
    assert "sqlite /data/readings.db: what was written in the last" in told
    assert site.readings() == [4.5, 7.7]


def test_a_restore_that_was_killed_is_done_by_recovery(site: Site) -> None:
    site.client_json("backup")
    publish(site, "1.1.0")
    site.update("1.1.0")
    site.insert(9.9)
    point = "journal.part.rollback.databases.begin.after"
    killed = site.client("restore", "--yes", OTA_CRASH_AT=point)
    assert killed.returncode == -signal.SIGKILL

    assert site.client_json("recover")["outcome"] == "ROLLED_BACK"

    assert site.readings() == [4.5]
    assert site.version_of("app") == "1.0.0"
    assert site.client_json("status")["version"] == "1.0.0"


@pytest.mark.case("F14")
def test_a_backup_that_was_damaged_is_found_before_anything_stops(site: Site) -> None:
    publish(site, "1.1.0")
    ids, files = site.ids(), site.files()
    for name in ("database-0.dump", "files/docker-compose.yml", "backup.json"):
        site.update("1.1.0", until=State.BACKED_UP)
        (backup,) = site.config.backups_dir.iterdir()
        spoil(backup / name)

        result = site.update("1.1.0")

        assert (result["outcome"], result["error"]["code"]) == ("FAILED", "backup")
        assert f"{name} has sha256" in result["reason"]
        assert (site.ids(), site.files(), site.readings()) == (ids, files, [4.5])
    assert site.update("1.1.0")["outcome"] == "SUCCEEDED"


@pytest.mark.case("F14", "F36")
def test_a_backup_that_is_damaged_on_the_way_back_is_not_restored_and_a_person_is_called(site: Site) -> None:
    publish(site, "1.1.0", UNHEALTHY)

    def damage() -> None:
        (backup,) = site.config.backups_dir.iterdir()
        spoil(backup / "database-0.dump")
        site.insert(9.9)

    result = update_while(site, "1.1.0", damage)

    assert result["outcome"] == "BROKEN", result
    assert "database-0.dump has sha256" in result["reason"]
    assert result["reports"][-1]["kind"] == "alarm"
    assert site.readings() == [4.5, 9.9], "half of a restore would be worse than none"
    assert site.files()["config/app.conf"][0] == b"1.1.0"


@pytest.mark.case("F33")
def test_a_migration_with_no_way_back_is_refused_before_anything_is_fetched(site: Site) -> None:
    publish(site, "1.1.0", data=Data(migrates=True))
    site.configure(databases="")
    for target in (site.directory / "repository" / "targets").rglob("*app.conf"):
        target.unlink()
    ids = site.ids()

    result = site.client_json("update", "--version", "1.1.0", status=21)

    assert result["outcome"] == "FAILED"
    assert result["reason"].startswith("update 1.1.0 migrates data, and this gateway has no database that")
    assert site.ids() == ids


@pytest.mark.case("F33")
def test_data_is_kept_on_the_way_back_where_the_update_says_so(site: Site) -> None:
    publish(site, "1.1.0", UNHEALTHY, data=Data(on_rollback="keep"))

    result = update_while(site, "1.1.0", lambda: site.insert(9.9))

    assert result["outcome"] == "ROLLED_BACK", result
    assert result["reports"][-1]["details"]["databases"] == "kept"
    assert site.readings() == [4.5, 9.9]
    assert site.version_of("app") == "1.0.0"


@contextmanager
def small_disk(path: Path, mib: int) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(path: Path) -> None:
    """Fill the disk of a path to the last byte."""
    with open(path / "by-the-update", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            return


@pytest.mark.case("F12", "F33")
def test_data_on_a_full_disk_is_restored_without_new_space(site: Site) -> None:
    text = site.compose_file.read_text()
    mounts = '      - ./config/app.conf:/etc/app.conf:ro\n      - "./data:/data"\n      - "./rows:/rows"\n'
    text = text.replace("      - ./config/app.conf:/etc/app.conf:ro\n", mounts)
    text = text.replace("      - data:/data\n", '      - data:/data\n      - "./data:/only-to-read:ro"\n')
    with (
        small_disk(site.project_dir / "data", 8) as data,
        small_disk(site.project_dir / "rows", 8) as rows,
    ):
        (data / "deep").mkdir(mode=0o750)
        (data / "deep" / "large").write_bytes(os.urandom(5 * 1024**2))
        os.chown(data / "deep" / "large", 999, 998)
        (data / "deep" / "link").symlink_to("large")
        (data / "odd \udcff name").write_bytes(b"")
        with open(data / "holes", "wb") as file:
            file.truncate(100 * 1024**2)
        with closing(sqlite3.connect(rows / "app.db")) as database, database:
            database.execute("CREATE TABLE t (x BLOB)")
            database.execute("INSERT INTO t VALUES (randomblob(5000000))")
        os.chown(rows / "app.db", 999, 998)
        site.compose_file.write_text(text)
        site.compose("up", "--detach", "--wait")
        site.configure(
            databases='[[databases]]\ntype = "directory"\npath = "data"\n'
            '[[databases]]\ntype = "sqlite"\nservice = "app"\npath = "/rows/app.db"\n'
        )
        publish(site, "1.1.0", UNHEALTHY)
        before, store = picture(data), site.container("store").attrs["State"]["StartedAt"]
        reader_stopped: list[bool] = []

        def write() -> None:
            reader_stopped.append(site.container("store").attrs["State"]["StartedAt"] != store)
            (data / "deep" / "large").write_bytes(b"new")
            fill(data)
            with closing(sqlite3.connect(rows / "app.db")) as database, database:
                database.execute("UPDATE t SET x = randomblob(5000000)")
                database.execute("CREATE TABLE added (x)")
            fill(rows)

        try:
            result = update_while(site, "1.1.0", write)

            assert result["outcome"] == "ROLLED_BACK", result
            assert result["reports"][-1]["details"]["databases"] == "restored"
            assert reader_stopped == [False], "who only reads is not stopped for a copy"
            assert picture(data) == before
            assert (rows / "app.db").stat().st_uid == 999
            with closing(sqlite3.connect(rows / "app.db")) as database:
                assert database.execute("SELECT name, (SELECT length(x) FROM t) FROM sqlite_master").fetchall() == [
                    ("t", 5000000)
                ]
        finally:
            site.compose("down", "--timeout", "1")


@pytest.mark.case("F12")
def test_a_restore_of_data_that_does_not_fit_any_more_is_refused_before_anything_stops(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(site.database()) as database, database:
        database.execute("CREATE TABLE pictures AS SELECT randomblob(3000000) AS picture")
    with site.engine() as (engine, journal):
        backup = engine.backup()
        with closing(site.database()) as database:
            database.execute("DROP TABLE pictures")
            database.execute("VACUUM")
        before = site.ids(), journal.last_transaction()
        monkeypatch.setattr(free_space, "free_bytes", lambda _: 1024**2)
        with pytest.raises(NoSpaceError) as caught:
            engine.restore(backup.id)
        assert (site.ids(), journal.last_transaction()) == before
        assert "3 MiB are needed (more for sqlite" in caught.value.message
        monkeypatch.undo()
        assert engine.restore(backup.id)["outcome"] == "ROLLED_BACK"
    with closing(site.database()) as database:
        assert database.execute("SELECT length(picture) FROM pictures").fetchall() == [(3000000,)]
