"""An update that is held back, on real containers: it waits untouched, then goes on as if just begun."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import docker
import pytest

from ota_py.contract.transactions import State
from ota_py.errors import HeldError
from ota_py.gateway.transaction.update import UpdateSteps
from tests.support.gateway.gateways import closed_window
from tests.support.gateway.site import RUNS, UNHEALTHY, Site

pytestmark = pytest.mark.docker

CLOSED = closed_window()
OUTSIDE = f"outside the maintenance windows ({CLOSED})"


def hold_back(site: Site, settings: str = f'windows = ["{CLOSED}"]') -> None:
    site.configure(databases=f"[maintenance]\n{settings}\n" + DATABASE)


DATABASE = '[[databases]]\ntype = "sqlite"\nservice = "store"\npath = "/data/readings.db"\n'


def publish(site: Site, version: str = "1.1.0", **options: object) -> None:
    site.publish(version, {"app": site.push("app", version, **options)}, {"config/app.conf": b"second\n"})  # type: ignore[arg-type]


@pytest.mark.case("F21")
def test_it_waits_untouched_tells_it_once_and_goes_on_without_a_network(site: Site) -> None:
    publish(site)
    hold_back(site)
    before, files = site.ids(), site.files()

    held = site.client_json("update", "--version", "1.1.0", "--rollout", "7", status=34)

    assert (held["outcome"], held["state"], held["changed"]) == ("HELD", "PULLED", False)
    assert (held["reason"], held["error"]["code"]) == (OUTSIDE, "held")
    assert (site.ids(), site.files()) == (before, files)
    (told,) = [report for report in held["reports"] if report["kind"] == "held"]
    assert (told["rollout"], told["state"], told["reason"]) == (7, "PULLED", OUTSIDE)
    assert told["details"]["next_window"].endswith("12:00+00:00")

    again = site.client_json("update", "--held", status=34)
    assert again["transaction"] == held["transaction"]
    assert [r["kind"] for r in again["reports"]].count("held") == 1
    seen = site.client_json("status")
    assert (seen["held"]["version"], seen["held"]["reason"]) == ("1.1.0", OUTSIDE)
    assert seen["next_window"] == told["details"]["next_window"]
    assert f"held:    1.1.0 since {seen['held']['since']}: {OUTSIDE}" in site.client("status").stdout
    assert OUTSIDE in site.client_json("recover")["reason"]

    site.configure()
    (site.directory / "repository").rename(site.directory / "gone")
    ended = site.client_json("update", "--held")

    assert (ended["outcome"], ended["transaction"]) == ("SUCCEEDED", held["transaction"])
    assert {report["rollout"] for report in ended["reports"]} == {7}
    assert site.version_of("app") == "1.1.0"
    assert site.client_json("status")["held"] is None
    assert "no update is held back" in site.client("update", "--held").stderr


def test_what_was_written_while_it_waited_outlives_a_rollback(site: Site) -> None:
    publish(site, start=RUNS, health=UNHEALTHY)
    hold_back(site)
    site.client_json("update", "--version", "1.1.0", status=34)
    site.insert(21.5)
    with site.engine() as (_, journal):  # as if days had passed
        waiting = journal.open_transaction()
        assert waiting is not None
        clock = waiting.plan["backup_clock"]
        journal.note(waiting, backup_clock={**clock, "spent": clock["spent"] + 86400})
    with closing(docker.from_env()) as client:  # a stranger prunes
        client.images.remove(f"{site.push('app', '1.1.0', RUNS, UNHEALTHY).pinned}", force=True)

    ended = site.client_json("update", "--held", "--now", status=31)

    assert ended["outcome"] == "ROLLED_BACK"
    assert site.version_of("app") == "1.0.0"
    assert site.readings() == [4.5, 21.5]


def test_a_release_key_revoked_while_it_waited_counts_no_more(site: Site, tmp_path: Path) -> None:
    publish(site)
    hold_back(site)
    site.client_json("update", "--version", "1.1.0", "--rollout", "7", status=34)
    before = site.ids()
    site.replace_release_key(tmp_path)

    ended = site.client_json("update", "--held", "--now", status=20)

    assert ended["outcome"] == "FAILED"
    assert ended["reason"] == "manifest is signed by 0 of the release keys, expected 1"
    assert site.ids() == before
    assert site.client_json("status")["held"] is None


def test_a_file_changed_while_it_waited_is_not_lost(site: Site) -> None:
    publish(site)
    hold_back(site)
    first = site.client_json("update", "--version", "1.1.0", "--rollout", "7", status=34)
    site.compose_file.write_text(site.compose_file.read_text() + "# a person was here\n")

    ended = site.client_json("update", "--held", "--now")

    assert ended["outcome"] == "SUCCEEDED"
    assert ended["transaction"] != first["transaction"]
    assert {report["rollout"] for report in ended["reports"]} == {7}
    assert "# a person was here" in site.compose_file.read_text()
    with site.engine() as (_, journal):
        given_up = journal.transaction(first["transaction"])
    assert (given_up.state, given_up.reason) == ("FAILED", "superseded")


def test_it_gives_way_to_a_newer_update_and_to_a_person(site: Site) -> None:
    publish(site)
    publish(site, "1.2.0")
    veto = site.directory / "veto"
    veto.touch()
    hold_back(site, f'veto_file = "{veto}"')
    first = site.client_json("update", "--version", "1.1.0", "--rollout", "7", status=34)
    assert first["reason"] == f"the veto file {veto} exists"

    second = site.client_json("update", "--version", "1.2.0", status=34)

    with site.engine() as (_, journal):
        given_up = journal.transaction(first["transaction"])
        assert (given_up.state, given_up.reason) == ("FAILED", "superseded")
    assert second["version"] == "1.2.0"
    gone = site.client_json("recover", "--held")
    assert (gone["state"], gone["reason"]) == ("FAILED", "superseded")
    assert gone["reports"][-1]["details"]["error"] == {"code": "superseded"}
    assert site.version_of("app") == "1.0.0"
    assert site.client_json("update", "--now")["version"] == "1.2.0"


def test_what_has_begun_is_not_cut_when_the_window_closes(site: Site) -> None:
    publish(site)
    asked = site.directory / "asked"
    hold_back(site, f"veto_command = ['sh', '-c', 'mkdir {asked}']")  # no veto, once
    assert site.client_json("update", "--version", "1.1.0")["outcome"] == "SUCCEEDED"
    assert asked.exists()


@pytest.mark.case("F01")
def test_killed_at_the_moment_when_it_goes_on_it_still_waits(site: Site) -> None:
    publish(site)
    hold_back(site)
    site.client_json("update", "--version", "1.1.0", status=34)
    killed = site.client("update", "--held", "--now", OTA_CRASH_AT="journal.intend.STOPPED.before")
    assert killed.returncode == -9
    assert site.client_json("recover")["outcome"] == "SKIPPED"
    assert site.client_json("status")["held"]["version"] == "1.1.0"
    killed = site.client("update", "--held", "--now", OTA_CRASH_AT="journal.intend.STOPPED.after")
    assert killed.returncode == -9
    assert site.client_json("recover")["outcome"] == "ROLLED_BACK"
    assert site.version_of("app") == "1.0.0"


def test_what_a_hook_puts_off_waits_where_it_was(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(site)

    def not_now(self: UpdateSteps, transaction: object) -> None:
        raise HeldError("hook 10-kitchen says: not now")

    monkeypatch.setattr(UpdateSteps, "_back_up", not_now)
    held = site.update("1.1.0", rollout=7)
    assert (held["outcome"], held["state"]) == ("HELD", "VERIFIED")
    with site.engine() as (_, journal):
        waiting = journal.open_transaction()
        assert waiting is not None
        assert waiting.intent is None
        assert waiting.plan["held"]["kind"] == "hook"
    monkeypatch.undo()
    ended = site.update("1.1.0", rollout=7)
    assert (ended["outcome"], ended["transaction"]) == ("SUCCEEDED", held["transaction"])
    assert ended["state"] == State.COMMITTED


def test_what_waits_is_verified_again(site: Site) -> None:
    publish(site)
    hold_back(site)
    site.client_json("update", "--version", "1.1.0", status=34)
    kept = site.config.updates_dir / "1.1.0" / "manifest.json"
    kept.write_bytes(kept.read_bytes().replace(b"1.1.0", b"1.1.1"))
    refused = site.client_json("update", "--held", "--now", status=20)
    assert (refused["outcome"], refused["error"]["code"]) == ("FAILED", "signature")
    assert site.version_of("app") == "1.0.0"
