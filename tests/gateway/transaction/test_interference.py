"""What people and clocks do in the middle of an update: a second one, a newer one, an abort, a jump."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ota_py.contract.transactions import State
from ota_py.gateway.fetch.sources import from_repository, trust_client
from ota_py.gateway.system import signals
from ota_py.gateway.system.progress import Silence
from ota_py.gateway.transaction.engine import Engine
from tests.support.gateway.site import CLIENT, RUNS, UNHEALTHY, Site

pytestmark = pytest.mark.docker


@pytest.fixture
def listening() -> Iterator[None]:
    """Signals are heard as the client hears them."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
    before = [signal.getsignal(number) for number in numbers]
    signals.listen()
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Aborting(Silence):
    """Sends a signal to this process when a step begins, and another one during the rollback."""

    def __init__(self, at: State, number: int) -> None:
        self._at = at
        self._number = number

    def step(self, state: State) -> None:
        if state in (self._at, State.ROLLING_BACK):
            os.kill(os.getpid(), self._number)


@pytest.mark.case("F30")
def test_an_abort_in_each_state(site: Site, listening: None) -> None:
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")}, {"config/app.conf": b"second\n"})
    ids, files = site.ids(), site.files()
    steps = [s for s in State if s not in (State.RECEIVED, State.ROLLING_BACK)]
    steps = steps[: steps.index(State.COMMITTED) + 1]
    numbers = itertools.cycle([signal.SIGTERM, signal.SIGINT])
    ends: dict[str, str] = {}
    for state in steps:
        with site.engine() as (_, journal):
            engine = Engine(site.config, journal, Aborting(state, next(numbers)))
            source = from_repository(trust_client(site.config, journal), "1.1.0")
            result = engine.update(source.verified, source.fetch, force=True)
        ends[state] = result["outcome"]
        if state is State.COMMITTED:
            break  # healthy already: it ends on the new version
        assert result["reason"] == "interrupted by the operator"
        assert result["error"]["code"] == "interrupted"
        assert site.files() == files
        assert site.version_of("app") == "1.0.0"
        if result["outcome"] == "FAILED":
            assert site.ids() == ids
            assert not result["changed"]
    assert list(ends.items()) == [
        ("VERIFIED", "FAILED"),
        ("BACKED_UP", "FAILED"),
        ("PULLED", "FAILED"),
        ("STOPPED", "ROLLED_BACK"),
        ("APPLIED", "ROLLED_BACK"),
        ("STARTED", "ROLLED_BACK"),
        ("HEALTHY", "ROLLED_BACK"),
        ("COMMITTED", "SUCCEEDED"),
    ]
    assert site.version_of("app") == "1.1.0"
    assert site.ids()["broker"] == ids["broker"]


@pytest.mark.case("F30")
def test_two_at_once_and_a_newer_one_in_the_middle(site: Site) -> None:
    for version in ("1.1.0", "1.2.0"):
        site.publish(version, {"app": site.push("app", version)})

    def client(version: str, **environment: str) -> subprocess.Popen[str]:
        argv = [
            sys.executable,
            str(CLIENT),
            "update",
            "--version",
            version,
            "--config",
            str(site.config_file),
        ]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(argv, env={**os.environ, **environment}, **pipes)

    both = [client("1.1.0"), client("1.1.0")]
    said = [process.communicate(timeout=300) for process in both]
    statuses = sorted(process.returncode for process in both)
    # The slower of the two finds the gateway busy, or the version installed.
    assert statuses in ([0, 24], [0, 0]), said
    assert site.version_of("app") == "1.1.0"
    with site.engine() as (_, journal):
        assert len(journal.read("SELECT * FROM transactions")) == 1

    # The old one lost its process after the first touch: it is ended before the newer one begins.
    site.publish("1.1.1", {"app": site.push("app", "1.1.1")})
    killed = client("1.1.1", OTA_CRASH_AT="journal.intend.STARTED.after")
    killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert site.client_json("update", "--version", "1.2.0")["from_version"] == "1.1.0"
    assert site.version_of("app") == "1.2.0"
    with site.engine() as (_, journal):
        rows = journal.read("SELECT version, state FROM transactions ORDER BY number")
    assert [tuple(row) for row in rows] == [
        ("1.1.0", "COMMITTED"),
        ("1.1.1", "ROLLED_BACK"),
        ("1.2.0", "COMMITTED"),
    ]


@pytest.mark.case("F34")
def test_a_clock_that_jumps_changes_no_outcome(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each reading the clock is in another decade: 1970, 2040, or right."""
    site.configure(settle=1.0)
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
    site.publish("1.2.0", {"app": site.push("app", "1.2.0", RUNS, UNHEALTHY)})
    real = datetime.now(UTC).timestamp()
    decades = itertools.cycle([0.0, 2_208_988_800.0, real, 2_208_988_800.0, 0.0])

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromtimestamp(next(decades), tz)

    with site.engine() as (engine, journal):
        sources = {v: from_repository(trust_client(site.config, journal), v) for v in ("1.1.0", "1.2.0")}
        monkeypatch.setattr("time.time", lambda: next(decades))
        for module in ("system.clock", "transaction.results"):
            monkeypatch.setattr(f"ota_py.gateway.{module}.datetime", Jumping)

        done = engine.update(sources["1.1.0"].verified, sources["1.1.0"].fetch)
        assert done["outcome"] == "SUCCEEDED", done
        (healthy,) = (step["seconds"] for step in done["steps"] if step["state"] == "HEALTHY")
        assert healthy >= 1.0, "the settle time is a second whatever the clock says"
        assert done["reports"][-1]["details"]["seconds"] >= 0
        assert len([s for s in done["steps"] if s["state"] == "BACKED_UP"]) == 1

        back = engine.update(sources["1.2.0"].verified, sources["1.2.0"].fetch)
        assert back["outcome"] == "ROLLED_BACK", back
        assert back["downtime_seconds"] >= 0
        assert site.version_of("app") == "1.1.0"
        assert site.readings() == [4.5]

        # The backup that this version needs outlives those that look newer.
        for _ in range(site.config.keep_backups + 1):
            engine.backup()
        assert engine.rollback()["outcome"] == "ROLLED_BACK"
        assert site.version_of("app") == "1.0.0"
