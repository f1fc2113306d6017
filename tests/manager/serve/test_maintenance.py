"""Maintenance beside `serve`: it renews with the online key only, only by configuration, and deletes old events."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import psutil

from ota_py.manager.config.secrets import Passphrases
from ota_py.manager.context import CommandContext
from ota_py.manager.controlplane.client import ControlPlane
from ota_py.manager.serve.maintenance import check_freshness
from tests.support.manager.fleets import Fleet, Manager
from tests.support.ports import free_port
from tests.support.processes import MANAGER, running
from tests.support.waiting import wait_for

FRESH = dict.fromkeys(("root", "release", "snapshot", "timestamp"), "fresh") | {"problem": ""}


def timestamp(fleet: Fleet) -> bytes:
    return (fleet.directory / "repository/metadata/timestamp.json").read_bytes()


def after(fleet: Fleet, days: float) -> dict[str, str]:
    """The freshness, by role, that a check so many days from now writes down."""
    check_freshness(CommandContext(str(fleet.config)), Passphrases(), datetime.now(UTC) + timedelta(days=days))
    written = json.loads((fleet.directory / "freshness.json").read_text())
    return {role["role"]: role["state"] for role in written["roles"]} | {"problem": written["problem"]}


def test_it_only_looks_unless_it_is_asked_to_renew(fleet: Fleet) -> None:
    before = timestamp(fleet)
    for days, state in ((1, "fresh"), (10, "expiring"), (15, "expired")):
        assert after(fleet, days) == {**FRESH, "snapshot": state, "timestamp": state}
    assert timestamp(fleet) == before


def test_it_renews_with_the_online_key_alone_when_half_of_the_time_is_gone(fleet: Fleet) -> None:
    for name in ("root", "release"):
        (fleet.directory / f"keys/{name}.pem").unlink()
    fleet.config.write_text(fleet.config.read_text().replace("[server]", "[server]\nrenew = true", 1))
    before = timestamp(fleet)
    assert after(fleet, 6) == FRESH
    assert timestamp(fleet) == before
    assert after(fleet, 8) == FRESH
    assert timestamp(fleet) != before
    (fleet.directory / "keys/online.pem").unlink()
    late = after(fleet, 20)
    assert late["problem"] == "server.renew is set, and the timestamp key is not here"
    assert late["timestamp"] == "expiring"


def test_with_the_timestamp_key_alone_it_renews_the_timestamp(fleet: Fleet, ota: Manager) -> None:
    """As on a control plane that has a timestamp key of its own: there it has no key to sign a snapshot."""
    assert ota("keys", "rotate", "timestamp", "--yes", "--unencrypted").status == 0
    (fleet.directory / "keys/online.pem").unlink()
    fleet.config.write_text(fleet.config.read_text().replace("[server]", "[server]\nrenew = true", 1))
    first = CommandContext(str(fleet.config)).repository
    assert after(fleet, 8) == FRESH
    second = CommandContext(str(fleet.config)).repository
    assert (second.timestamp.version, second.snapshot) == (first.timestamp.version + 1, first.snapshot)
    # The snapshot's time is running out: that is said, and is no reason to sign the timestamp each hour.
    assert after(fleet, 9.6) == {**FRESH, "snapshot": "expiring"}
    assert CommandContext(str(fleet.config)).repository.timestamp == second.timestamp


def test_the_running_control_plane_tells_it(served_fleet: Fleet) -> None:
    token = (served_fleet.directory / "operator-token").read_text().strip()
    with ControlPlane(served_fleet.control_plane_url, token) as control_plane:
        roles = wait_for(lambda: control_plane._object("GET", "/freshness")["roles"], "the first check", 300)
    assert {role["state"] for role in roles} == {"fresh"}


def record_event(fleet: Fleet, days_ago: float) -> None:
    moment = (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%d %H:%M:%S")
    values = {"kind": "status", "details": "{}", "at": moment, "recorded_at": moment}
    values |= dict.fromkeys(("transaction", "version", "from_version", "state", "reason"), "")
    with sqlite3.connect(fleet.database) as connection:
        names, places = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO events_event ({names}) VALUES ({places})", tuple(values.values()))


def test_it_deletes_old_events_and_nothing_of_it_outlives_serve(fleet: Fleet) -> None:
    own = Fleet(fleet.directory, fleet.control_plane_url, fleet.directory / "control-plane.sqlite3")
    own.change("[server]", "[server]\nkeep_events_days = 7")
    recent = len(own.rows("SELECT id FROM events_event"))  # of the tests before
    for days_ago in (8, 6):
        record_event(own, days_ago)
    port, log = free_port(), own.directory / "serve.log"
    argv = [*MANAGER, "--config", str(own.config), "serve", "--listen", f"127.0.0.1:{port}"]
    with running(argv, port, log) as serve:
        wait_for(lambda: "deleted 1 events older than 7 days" in log.read_text(), "the old event to go", 300)
        assert len(own.rows("SELECT id FROM events_event")) == recent + 1
        processes = psutil.Process(serve.pid).children(recursive=True)
        assert len(processes) >= 2, processes  # a worker, and the one beside it
        serve.kill()
        _, alive = psutil.wait_procs(processes, timeout=120)
        left = [process.cmdline() for process in alive]
        for process in alive:
            process.kill()
        assert not left
