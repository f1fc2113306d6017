"""A gateway whose metadata expired keeps what runs, refuses new updates, and says so wherever one looks."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from ota_py.cli import run
from ota_py.gateway.agent.freshness_watch import FreshnessWatch
from ota_py.gateway.agent.launcher import Child, Commands
from ota_py.gateway.agent.loop import Agent
from ota_py.gateway.cli import command
from ota_py.gateway.config import agent_settings
from ota_py.gateway.fetch.freshness import problem, record_problem
from ota_py.gateway.journal.floor import JournalFloor
from ota_py.gateway.journal.journal import Journal
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.publish.freshen import renew
from tests.support.gateway import gateways, small_engine
from tests.support.paths import ROOT
from tests.support.waiting import wait_for

WORDS = "the repository's metadata has expired"


@pytest.fixture
def type_(tmp_path, publisher, served, capsys):
    path = gateways.write(tmp_path)
    (tmp_path / "root.json").write_bytes(publisher.root)
    text = path.read_text().replace(f"file://{tmp_path}/repository", served)
    path.write_text(f'root = "{tmp_path}/root.json"\n{text}')

    def typed(*arguments):
        capsys.readouterr()
        status = run(command, [*arguments, "--config", str(path)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return typed


@pytest.mark.case("A04")
def test_expired_metadata_is_said_wherever_one_looks(tmp_path, publisher, type_):
    publisher.publish(publisher.manifest("1.2.0"), now=datetime.now(UTC) - timedelta(days=15))
    before = json.loads(type_("status", "--json")[1])
    assert before["freshness_problem"] == ""
    for arguments in (("check",), ("update", "--version", "1.2.0")):
        status, _, error = type_(*arguments)
        assert status == 20
        assert WORDS in error
        assert "what runs is kept" in error
    _, shown, _ = type_("status")
    assert f"stale:   new updates are refused, what runs is kept: {WORDS}" in shown
    after = json.loads(type_("status", "--json")[1])
    assert WORDS in after["freshness_problem"]
    assert after["version"] == before["version"]
    assert after["transaction"]["state"] == "FAILED"
    with Journal(gateways.read(tmp_path)) as journal:
        assert WORDS in problem(journal)

    renew(publisher.repository(), OnlineSigners.one(publisher.signers["online"]), datetime.now(UTC))
    assert type_("check")[0] == 0
    assert "stale:" not in type_("status")[1]
    assert json.loads(type_("status", "--json")[1])["freshness_problem"] == ""


def test_a_repository_that_is_gone_is_stale_once_what_was_fetched_has_expired(tmp_path, publisher, type_):
    publisher.publish(publisher.manifest("1.2.0"))
    assert type_("check")[0] == 0
    path = tmp_path / "gateway.toml"
    path.write_text(path.read_text().replace("repository_url = ", "repository_url = 'http://127.0.0.1:9/' #"))
    assert type_("check")[0] == 10
    assert "stale:" not in type_("status")[1]
    with Journal(gateways.read(tmp_path)) as journal:
        JournalFloor(journal).raise_to("time", int(time.time()) // 3600 + 15 * 24)
    assert type_("check")[0] == 10
    shown = type_("status")[1]
    assert f"{WORDS}: it held until " in shown
    assert "newer cannot be had: cannot fetch from the repository" in shown


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def watch(tmp_path):
    gateways.write(tmp_path)
    clock = Clock()
    with Journal(gateways.read(tmp_path)) as journal:

        def make(**changes):
            return FreshnessWatch(journal, lambda: Child("check", None, None), clock, clock, **changes)

        made = make()
        made.clock, made.again, made.journal = clock, make, journal
        yield made


def test_it_looks_once_a_day_and_each_hour_while_it_is_stale(watch):
    day, hour = 86_400, 3_600
    assert watch.is_due(spread=False)
    child = watch.begin()
    assert not watch.is_due(spread=False)
    watch.clock.now += day - 1
    assert not watch.again().is_due(spread=False)  # also an agent that was started anew
    watch.clock.now += 1
    assert watch.is_due(spread=False)
    watch.begin()
    record_problem(watch.journal, "expired")
    watch.clock.now += hour - 1
    assert not watch.is_due(spread=False)
    watch.clock.now += 1
    assert watch.is_due(spread=False)
    watch.begin()
    watch.clock.now -= day  # somebody put the clock right
    assert watch.is_due(spread=False)
    assert not watch.ended(child)


def test_a_fleet_that_starts_at_once_does_not_look_at_once(watch):
    late = watch.again(rand=lambda: 0.5)
    assert not late.is_due(spread=True)
    watch.clock.now += 1_799
    assert not late.is_due(spread=True)
    watch.clock.now += 1
    assert late.is_due(spread=True)


def test_the_agent_looks_by_itself_and_tells_it(tmp_path, monkeypatch, caplog):
    """Nothing is assigned: an attacker who holds updates back may hold assignments back, too."""
    monkeypatch.setenv("SMALL_ENGINE", str(tmp_path / "script.json"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "script.json").write_text(json.dumps({"stale": "expired, as the script says"}))
    path = gateways.write(tmp_path)
    commands = Commands((sys.executable, small_engine.__file__), path)
    agent = Agent(agent_settings.load(path), commands, lambda _: None, threading.Event(), threading.Event())

    def told():
        agent.turn()
        reports = [each for each in agent._outbox.pending() if each["kind"] == "status"]
        return reports and reports[-1]["details"]["freshness_problem"]

    caplog.set_level("WARNING", "ota.agent")
    monkeypatch.setattr(logging.getLogger("ota"), "propagate", True)
    assert told() == ""  # reported, and looked at again in a quarter of an hour
    agent._freshness._not_before = 0.0
    wait_for(lambda: told() == "expired, as the script says", "the report of it")
    assert "stale, new updates are refused reason=expired, as the script says" in caplog.text
    told()
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len([call for call in calls if call.startswith("check")]) == 1


def test_the_agent_that_cron_starts_looks_too(tmp_path):
    gateway = gateways.Gateway(tmp_path)
    gateways.write(tmp_path)
    for _ in range(2):
        assert gateway.start("--once").wait(60) == 0
    assert len(gateway.calls("check")) == 1
