"""The upgrade of the gateway software: real virtual environments, a real agent, a real supervisor.

What needs none of these is in test_simulated.py and test_sweep.py, and takes no time there.
"""

from __future__ import annotations

import re

import pytest

from ota_py.errors import KnownBadError
from tests.support.selfupdate.box import OLD
from tests.support.selfupdate.fixtures import EXITS, HANGS
from tests.support.waiting import wait_for

NEW = "0.2.0-test"

pytestmark = [pytest.mark.case("F35"), pytest.mark.timeout(900)]


def test_a_good_version_takes_over_and_the_old_one_is_kept(make_box, factory) -> None:
    archive, _ = factory("0.2.0")
    box = make_box()
    box.start()
    box.offer(archive)

    box.wait_for("PROVED")

    assert box.installation.current == NEW
    box.wait_for_agent(NEW)
    assert box.status()["agent_version"] == NEW
    assert box.alarms() == []
    assert box.installation.is_complete(OLD)
    assert not (box.ota / "trial").exists()
    # What nobody needs any more goes after the journal's word.
    wait_for(lambda: not (box.directory / "state" / "upgrade").exists(), box.logs)


def test_a_version_that_exits_at_once_is_left_by_the_launcher(make_box, factory) -> None:
    archive, venv = factory("0.3.0", EXITS)
    box = make_box()
    box.add(venv)
    box.offer(archive)
    box.start()

    ended = box.wait_for("RETURNED")

    assert box.installation.current == OLD
    assert ended.reason == "it was started 3 times in vain"
    assert box.alarms() == [f"the gateway software stays at {OLD}: {ended.reason}"]
    box.wait_for_agent(OLD)
    wait_for(lambda: not box.installation.venv("0.3.0-test").exists(), box.logs)
    with pytest.raises(KnownBadError, match="did not come up on this gateway before"):
        box.offer(archive, version="1.1.1")


def test_a_version_that_hangs_is_left_when_its_time_is_up(make_box, factory) -> None:
    archive, venv = factory("0.4.0", HANGS)
    box = make_box(trial_seconds=1)
    box.add(venv)
    box.offer(archive)
    box.start()

    ended = box.wait_for("RETURNED")

    told = r"the new agent completed no turn within \d+ s; it was started \d times"
    assert re.fullmatch(told, ended.reason), ended.reason
    assert box.installation.current == OLD
    assert len(box.alarms()) == 1
    box.wait_for_agent(OLD)


def test_a_version_that_cannot_even_be_imported_is_never_switched_to(make_box, factory) -> None:
    archive, venv = factory("0.5.0", "\n\nimport nothing_of_that_name\n")
    box = make_box()
    box.add(venv)
    box.offer(archive)

    done = box.supervise()

    assert done.returncode == 0, done.stderr
    ended = box.upgrade()
    assert ended.state == "FAILED"
    assert "No module named 'nothing_of_that_name'" in ended.reason
    assert box.installation.current == OLD
    assert len(box.alarms()) == 1


def test_an_update_that_is_not_committed_takes_its_software_along(make_box, factory) -> None:
    archive, _ = factory("0.2.0")
    box = make_box()
    box.offer(archive, commit=False)
    box.supervise()
    assert box.upgrade().state == "CANCELLED"
    assert box.alarms() == []
    assert not (box.directory / "state" / "upgrade").exists()
    box.offer(archive)
    assert box.upgrade().state == "FETCHED", "it was never tried"


def test_killed_again_and_again_it_is_brought_to_a_good_end_by_the_agent(make_box, factory) -> None:
    archive, _ = factory("0.2.0")
    box = make_box()
    box.offer(archive)
    for point in ("process.python.after", "upgrade.restart.before"):
        died = box.supervise(OTA_CRASH_AT=point)
        assert died.returncode == -9, f"{point} was not reached: {died.stderr}"
    box.start()

    box.wait_for("PROVED")

    box.wait_for_agent(NEW)
    assert box.installation.current == NEW
    assert not (box.ota / "trial").exists()
    assert box.alarms() == []
