"""The upgrade of the gateway software: real virtual environments, a real agent, a real supervisor."""

from __future__ import annotations

import re

import pytest

from ota_py.errors import KnownBadError
from ota_py.gateway.supervisor import ATTEMPTS_LIMIT
from ota_py.gateway.upgrades import Upgrades
from tests.upgrade.box import OLD, wait
from tests.upgrade.conftest import EXITS, HANGS

NEW = "0.2.0-test"

pytestmark = [pytest.mark.case("F35"), pytest.mark.timeout(180)]


def test_a_good_version_takes_over_and_the_old_one_is_kept(make_box, factory) -> None:
    archive, _ = factory("0.2.0")
    box = make_box()
    box.start()
    box.offer(archive)

    box.wait_for("PROVED")

    assert box.installation.current == NEW
    assert box.agents() == {NEW}
    assert box.status()["agent_version"] == NEW
    assert box.alarms() == []
    assert box.installation.is_complete(OLD)
    assert not (box.ota / "trial").exists()
    assert not list((box.directory / "state" / "upgrade").glob("*"))


def test_a_version_that_exits_at_once_is_left_by_the_launcher(make_box, factory) -> None:
    archive, venv = factory("0.3.0", EXITS)
    box = make_box()
    box.add(venv)
    box.start()
    box.offer(archive)

    ended = box.wait_for("RETURNED")

    assert box.installation.current == OLD
    assert ended.reason == "it was started 3 times in vain"
    assert box.alarms() == [f"the gateway software stays at {OLD}: {ended.reason}"]
    assert box.agents() == {OLD}
    wait(lambda: not box.installation.venv("0.3.0-test").exists(), 10, box.logs)
    with pytest.raises(KnownBadError, match="did not come up on this gateway before"):
        box.offer(archive, version="1.1.1")


def test_a_version_that_hangs_is_left_when_its_time_is_up(make_box, factory) -> None:
    archive, venv = factory("0.4.0", HANGS)
    box = make_box(trial_seconds=1)
    box.add(venv)
    box.start()
    box.offer(archive)

    ended = box.wait_for("RETURNED")

    told = r"the new agent completed no turn within \d+ s; it was started \d times"
    assert re.fullmatch(told, ended.reason), ended.reason
    assert box.installation.current == OLD
    assert len(box.alarms()) == 1
    assert box.agents() == {OLD}


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


def test_where_no_agent_is_resident_the_check_of_the_new_version_is_its_proof(make_box, factory) -> None:
    archive, venv = factory("0.2.0")
    box = make_box()
    box.add(venv)
    text = box.config_file.read_text().replace(f'["{box.directory}/restart"]', "[]")
    box.config_file.write_text(text)
    box.offer(archive)
    box.supervise()
    assert box.upgrade().state == "PROVED"
    assert box.status()["agent_version"] == NEW


def test_provisioned_meanwhile_the_upgrade_gives_way(make_box, factory) -> None:
    archive, venv = factory("0.2.0")
    box = make_box()
    box.add(venv)
    box.add(factory("0.6.0")[1])
    box.offer(archive)
    died = box.supervise(OTA_CRASH_AT="journal.upgrade.SWITCHED.after")
    assert died.returncode == -9
    box.installation.switch("0.6.0-test")  # as the role does
    box.supervise()
    assert (box.upgrade().state, box.installation.current) == ("CANCELLED", "0.6.0-test")
    assert not (box.ota / "trial").exists()


@pytest.mark.parametrize(
    "point",
    [
        "file.unpack.after",
        "file.link.after",
        "journal.upgrade.SWITCHED.before",
        "upgrade.restart.before",
    ],
)
def test_killed_anywhere_it_is_brought_to_a_good_end_by_the_agent(make_box, factory, point: str) -> None:
    archive, venv = factory("0.2.0")
    box = make_box()
    if point != "file.unpack.after":
        box.add(venv)
    box.offer(archive)
    died = box.supervise(OTA_CRASH_AT=point)
    assert died.returncode == -9, f"{point} was not reached: {died.stderr}"
    if point == "file.link.after":  # the link is about to be led to it
        assert (box.ota / "trial").exists(), "a start of it would go uncounted"
    box.start()

    box.wait_for("PROVED")

    wait(lambda: box.agents() == {NEW}, 20, box.logs)
    assert box.installation.current == NEW
    assert not (box.ota / "trial").exists()
    assert box.alarms() == []


def test_killed_when_the_new_agent_has_proved_itself(make_box, factory) -> None:
    archive, venv = factory("0.2.0")
    box = make_box()
    box.add(venv)
    box.offer(archive)
    assert box.supervise(OTA_CRASH_AT="journal.upgrade.SWITCHED.after").returncode == -9
    with box.journal() as journal:
        Upgrades(journal).prove(box.upgrade())
    for point in ("file.remove.after", "journal.upgrade.PROVED.before", "journal.upgrade.PROVED.after"):
        assert box.supervise(OTA_CRASH_AT=point).returncode == -9, point
    assert box.upgrade().state == "PROVED"
    assert box.installation.current == NEW
    assert not (box.ota / "trial").exists()


def test_killed_on_the_way_back_it_goes_on(make_box, factory) -> None:
    archive, venv = factory("0.4.0", HANGS)
    box = make_box(trial_seconds=1)
    box.add(venv)
    box.offer(archive)
    for point in ("journal.upgrade.RETURNING.after", "file.link.after", "journal.upgrade.RETURNED.before"):
        died = box.supervise(OTA_CRASH_AT=point)
        assert died.returncode == -9, f"{point} was not reached: {died.stderr}"
    box.supervise()
    assert box.upgrade().state == "RETURNED"
    assert box.installation.current == OLD
    assert len(box.alarms()) == 1, "told once"


def test_a_power_cut_in_the_trial_of_a_good_version(make_box, factory) -> None:
    archive, venv = factory("0.2.0")
    box = make_box()
    box.add(venv)
    box.offer(archive)
    assert box.supervise(OTA_CRASH_AT="journal.upgrade.SWITCHED.after").returncode == -9
    box.power_cut()

    assert box.recover() == OLD, "only what is proved recovers"
    box.start()

    box.wait_for("PROVED")
    wait(lambda: box.agents() == {NEW}, 20, box.logs)


def test_with_a_broken_interpreter_and_nobody_else_the_launcher_goes_back(make_box, factory) -> None:
    archive, venv = factory("0.2.0")
    box = make_box()
    box.add(venv)
    box.offer(archive)
    assert box.supervise(OTA_CRASH_AT="journal.upgrade.SWITCHED.after").returncode == -9
    box.installation.python(NEW).unlink()

    assert box.recover() == OLD
    box.start()

    ended = box.wait_for("RETURNED")
    assert "started" in ended.reason
    wait(lambda: box.agents() == {OLD}, 20, box.logs)
    assert box.installation.current == OLD


def test_endless_interruptions_end(make_box, factory) -> None:
    archive, venv = factory("0.2.0")
    box = make_box()
    box.add(venv)
    box.offer(archive)
    for _ in range(ATTEMPTS_LIMIT):
        assert box.supervise(OTA_CRASH_AT="journal.upgrade.attempt.after").returncode == -9
    box.supervise()
    assert box.upgrade().state == "FAILED"
    assert "5 attempts were interrupted" in box.upgrade().reason
    assert box.installation.current == OLD
