"""Links that a real container plants in what it may write to: no update, backup or rollback follows them (A41)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ota_py.errors import OtaError
from ota_py.gateway.docker.project import Project
from ota_py.gateway.system.clock import Clock
from tests.support.canary import SECRET, Canary
from tests.support.gateway.site import RUNS, UNHEALTHY, Site

pytestmark = [pytest.mark.docker, pytest.mark.case("A41")]

ROUNDS = 200
# Directory and link change places, as fast as the shell of a small image can.
SWAP = "while :; do mv -T b aside; mv -T link b; mv -T b link; mv -T aside b; done 2>/dev/null"


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    found = Canary(tmp_path / "host")
    yield found
    found.close()


def give(site: Site, *mounts: str) -> None:
    """Let the service `store` write to directories of the project, and start it so."""
    text = site.compose_file.read_text()
    lines = "".join(f"      - {mount}\n" for mount in mounts)
    site.compose_file.write_text(text.replace("      - data:/data\n", f"      - data:/data\n{lines}"))
    site.compose("up", "--detach", "--wait")


def inside(site: Site, command: str) -> None:
    """Run a command in the container of `store`, as a thief would."""
    done = site.container("store").exec_run(["/bin/sh", "-c", command])
    assert done.exit_code == 0, done.output


def with_the_secret(site: Site) -> list[Path]:
    """Files of the updater that have what only the canary has."""
    kept = [path for path in (site.directory / "state").rglob("*") if path.is_file()]
    return [path for path in kept if SECRET in path.read_bytes()]


@pytest.mark.parametrize("name", ["app.conf.ota-new", ".app.conf.ota-new", ".ota-0000000000000000.ota-new"])
def test_a_link_that_waits_for_a_draft(name: str, site: Site, canary: Canary) -> None:
    give(site, "./config:/config")
    inside(site, f"ln -s {canary.directory}/file /config/{name}")
    new = {"app": site.push("app", "1.1.0")}
    site.publish("1.1.0", new, {"config/app.conf": b"second\n"})
    assert site.update("1.1.0")["outcome"] == "SUCCEEDED"
    canary.check()
    site.publish("1.2.0", {"app": site.push("app", "1.2.0", RUNS, UNHEALTHY)}, {"config/app.conf": b"third\n"})
    assert site.update("1.2.0")["outcome"] == "ROLLED_BACK"
    canary.check()
    assert (site.project_dir / "config/app.conf").read_bytes() == b"second\n"


@pytest.mark.parametrize("place", ["app.conf", "."])
def test_a_link_in_the_place_of_what_an_update_writes(place: str, site: Site, canary: Canary) -> None:
    """In the file's place or its directory's: refused before the first touch."""
    if place == ".":
        (site.project_dir / "rows/config").mkdir(parents=True)
        give(site, "./rows:/rows")
        inside(site, f"rmdir /rows/config; ln -s {canary.directory} /rows/config")
        dest = "rows/config/app.conf"
    else:
        give(site, "./config:/config")
        inside(site, f"rm /config/app.conf; ln -s {canary.directory}/file /config/app.conf")
        dest = "config/app.conf"
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")}, {dest: b"second\n"})
    result = site.update("1.1.0")
    assert (result["outcome"], result["changed"]) == ("FAILED", False)
    assert "is a symbolic link; an update writes plain files only" in result["reason"]
    canary.check()


def test_a_directory_that_becomes_a_link_while_the_new_version_runs(site: Site, canary: Canary) -> None:
    """The rollback puts the directory back, with what was in it, and leaves alone what the link leads to."""
    give(site, "./config:/config")
    inside(site, "mkdir /config/deep; echo old > /config/deep/app.conf")
    # Once only: it still runs when its files are put back, and may write there as the old version may.
    unhealthy = f"""#!/bin/sh
[ -e /tmp/planted ] && exit 1
touch /tmp/planted; rm -rf /config/deep; ln -s {canary.directory}/below /config/deep; exit 1
""".encode()
    text = site.compose_file.read_text().replace("      - ./config/app.conf:/etc", "      - ./config:/config\n&")
    text = text.replace("&", "      - ./config/app.conf:/etc")
    site.compose_file.write_text(text)
    site.compose("up", "--detach", "--wait")
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", RUNS, unhealthy)}, {"config/deep/app.conf": b"new\n"})
    result = site.update("1.1.0")
    assert result["outcome"] == "ROLLED_BACK", result
    canary.check()
    assert not (site.project_dir / "config/deep").is_symlink()
    assert (site.project_dir / "config/deep/app.conf").read_bytes() == b"old\n"


def test_a_sqlite_file_that_became_a_link(site: Site, canary: Canary) -> None:
    """It is neither dumped, nor handed to the container by a rollback."""
    inside(site, f"rm /data/readings.db; ln -s {canary.database} /data/readings.db")
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
    result = site.update("1.1.0")
    assert (result["outcome"], result["changed"]) == ("FAILED", False), result
    assert "readings.db is a symbolic link" in result["reason"]
    canary.check()
    assert not [
        path for path in (site.directory / "state").rglob("*") if path.is_file() and SECRET in path.read_bytes()
    ]


def test_a_sqlite_file_that_becomes_a_link_before_it_is_restored(site: Site, canary: Canary) -> None:
    spoil = f"#!/bin/sh\nrm -f /data/readings.db; ln -s {canary.database} /data/readings.db; exit 1\n".encode()
    text = site.compose_file.read_text().replace(
        "      - ./config/app.conf:/etc", "      - data:/data\n      - ./config/app.conf:/etc"
    )
    site.compose_file.write_text(text)
    site.compose("up", "--detach", "--wait")
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", RUNS, spoil)})
    result = site.update("1.1.0")
    assert result["outcome"] == "ROLLED_BACK", result
    canary.check()
    assert site.readings() == [4.5]


def test_a_swapper_as_fast_as_it_can(site: Site, canary: Canary) -> None:
    """A real container swaps directory and link during many backups, restores and updates."""
    (site.project_dir / "config/b").mkdir()
    (site.project_dir / "config/b/app.conf").write_text("mine\n")
    (site.project_dir / "rows/b").mkdir(parents=True)
    with closing(sqlite3.connect(site.project_dir / "rows/readings.db")) as database, database:
        database.execute("CREATE TABLE t (x)")
    give(site, "./config:/config", "./rows:/rows")
    site.configure(
        databases='[[databases]]\ntype = "sqlite"\nservice = "store"\npath = "/rows/readings.db"\n'
        '[[databases]]\ntype = "directory"\npath = "rows"\n'
    )
    for place in ("config", "rows"):
        inside(site, f"ln -s {canary.directory} /{place}/link")
        site.container("store").exec_run(["/bin/sh", "-c", f"cd /{place}; {SWAP}"], detach=True)
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")}, {"config/b/app.conf": b"new\n"})
    done = 0
    with site.engine() as (engine, _):
        project: Project = engine.context.compose.present
        for _number in range(ROUNDS):
            with suppress(OtaError):
                backup = engine.context.backups.create(project, ["config/b/app.conf"], Clock.started(600))
                done += 1
                engine.context.backups.restore_files(backup)
                for saved in backup.databases:
                    engine.context.backups.restore_database(backup, saved, 60)
                engine.context.backups.remove(backup.id)
    for _number in range(3):
        site.update("1.1.0", force=True)
    canary.check()
    assert done > ROUNDS // 20, "the swapper left some rounds whole"
    assert not with_the_secret(site)
