"""`serve` keeps the repository fresh: with the online key only, and only when it is asked to."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

from ota_py.manager.control_plane import ControlPlane
from ota_py.manager.parts import Parts
from ota_py.manager.secrets import Passphrases
from ota_py.manager.upkeep import look
from tests.manager.conftest import Fleet, Manager

FRESH = dict.fromkeys(("root", "release", "snapshot", "timestamp"), "fresh") | {"problem": ""}


def timestamp(fleet: Fleet) -> bytes:
    return (fleet.directory / "repository/metadata/timestamp.json").read_bytes()


def after(fleet: Fleet, days: float) -> dict[str, str]:
    """What is noted when it looks so many days from now; by role."""
    look(Parts(str(fleet.config)), Passphrases(), datetime.now(UTC) + timedelta(days=days))
    told = json.loads((fleet.directory / "freshness.json").read_text())
    return {role["role"]: role["state"] for role in told["roles"]} | {"problem": told["problem"]}


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
    first = Parts(str(fleet.config)).repository
    assert after(fleet, 8) == FRESH
    second = Parts(str(fleet.config)).repository
    assert (second.timestamp.version, second.snapshot) == (first.timestamp.version + 1, first.snapshot)
    # The snapshot's time is running out: that is said, and is no reason to sign the timestamp each hour.
    assert after(fleet, 9.6) == {**FRESH, "snapshot": "expiring"}
    assert Parts(str(fleet.config)).repository.timestamp == second.timestamp


def test_the_running_control_plane_tells_it(served_fleet: Fleet) -> None:
    token = (served_fleet.directory / "operator-token").read_text().strip()
    with ControlPlane(served_fleet.control_plane_url, token) as control_plane:
        deadline = time.monotonic() + 60
        while not (told := control_plane._object("GET", "/freshness"))["roles"]:
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
        assert {role["state"] for role in told["roles"]} == {"fresh"}
