"""Hooks without Docker: what may be run, what is reported, and what a failure means before and after."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota_py.contract.transactions import State
from ota_py.errors import HeldError, HookError, IncompatibleError, OtaError, PolicyError
from ota_py.gateway.config.model import GatewayConfig, HooksConfig, PolicyConfig
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.system.progress import Silence
from ota_py.gateway.transaction.context import TransactionContext
from ota_py.gateway.transaction.hooks import Hooks
from ota_py.manifest import Hook, Manifest
from tests.support.waiting import wait_for


class Place:
    """A gateway's hooks directory, its journal, and an update under way."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "hooks.d"
        self.directory.mkdir()
        (directory / "project").mkdir()
        self.config = GatewayConfig(
            gateway_id="boston_001",
            fleet="tests",
            project_dir=directory / "project",
            state_dir=directory / "state",
            repository_url="file:///nowhere",
            initial_version="1.0.0",
            hooks=HooksConfig(directory=self.directory, timeout_seconds=20),
        )
        self.journal = Journal(self.config)
        self.transaction = self.journal.begin("update", "1.1.0", None, {}, Clock.started(60))

    def write(self, name: str, body: str, mode: int = 0o755) -> Path:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(mode)
        return path

    def hooks(self, *of_update: Hook, **policy: bool) -> Hooks:
        plan = [hook.model_dump(mode="json") for hook in of_update]
        self.transaction = self.journal.note(self.transaction, hooks=plan)
        config = self.config.model_copy(update={"policy": PolicyConfig(**policy)})
        return TransactionContext(config, self.journal, Silence()).hooks

    def touched(self) -> Transaction:
        for state in (State.VERIFIED, State.BACKED_UP, State.PULLED):
            self.transaction = self.journal.advance(self.transaction, state)
        self.transaction = self.journal.intend(self.transaction, State.STOPPED)
        return self.transaction

    def results(self) -> list[tuple[str, int | None]]:
        plan = self.journal.transaction(self.transaction.id).plan
        return [(result["hook"], result["status"]) for result in plan["hook_results"]]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.journal.__exit__()


def manifest(*hooks: Hook) -> Manifest:
    return Manifest.model_validate(
        {
            "fleet": "tests",
            "version": "1.1.0",
            "created": "2026-01-01T00:00:00Z",
            "images": {"app": {"reference": "r/app:1", "digest": f"sha256:{'0' * 64}", "size": 1}},
            "hooks": [hook.model_dump() for hook in hooks],
        }
    )


def test_the_owners_hooks_run_by_name_then_the_updates(place: Place) -> None:
    say = 'echo "$OTA_POINT $OTA_FROM_VERSION $OTA_VERSION $OTA_GATEWAY_ID $(basename $PWD)"; echo to-err >&2'
    place.write("before-stop/20-second", say)
    place.write("before-stop/10-first", f'[ "$OTA_PROJECT_DIR" = "$PWD" ] && [ -n "$OTA_TRANSACTION" ] && {say}')
    place.write("before-stop/.hidden", "exit 1")
    place.write("after-stop/10-other", "exit 1")
    hooks = place.hooks(Hook(at="before-stop", command=["/bin/echo", "hi"]), allow_host_commands=True)

    after = hooks.run("before-stop", place.transaction)

    assert place.results() == [("10-first", 0), ("20-second", 0), ("gateway: /bin/echo hi", 0)]
    first = after.plan["hook_results"][0]
    assert first["at"] == "before-stop"
    assert first["output"] == ["before-stop 1.0.0 1.1.0 boston_001 project", "to-err"]
    assert 0 <= first["seconds"] < 20


def test_not_now_counts_before_the_first_touch_only(place: Place) -> None:
    place.write("before-stop/10-busy", "echo till is open; exit 75")
    place.write("before-stop/20-later", "exit 0")
    hooks = place.hooks()

    with pytest.raises(HeldError) as held:
        hooks.run("before-stop", place.transaction)
    assert held.value.message == "the before-stop hook 10-busy says not now: till is open"
    assert place.results() == [("10-busy", 75)], "what comes after it does not run"

    with pytest.raises(HookError, match="ended with exit status 75"):
        hooks.run("before-stop", place.touched())


def test_a_failure_has_its_last_lines_and_nothing_endless_is_kept(place: Place) -> None:
    place.write("after-start/10-bad", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; exit 3")
    with pytest.raises(HookError) as failed:
        place.hooks().run("after-start", place.transaction)
    assert failed.value.message == "the after-start hook 10-bad ended with exit status 3: line 20000"
    assert failed.value.details == {"log_tail": [f"line {n}" for n in range(19981, 20001)]}


def test_a_hook_that_hangs_is_killed_with_all_that_it_started(place: Place, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    place.write("before-stop/10-hangs", f"echo begun; sleep 600 & echo $! >{pids}; wait")
    place.config = place.config.model_copy(update={"hooks": HooksConfig(directory=place.directory, timeout_seconds=5)})
    with pytest.raises(HookError) as failed:
        place.hooks().run("before-stop", place.transaction)
    assert failed.value.message == "the before-stop hook 10-hangs did not end within 5 s: begun"
    assert place.results() == [("10-hangs", None)]
    child = Path(f"/proc/{pids.read_text().strip()}")
    wait_for(lambda: not is_alive(child), "the end of the hook's own child")


def is_alive(process: Path) -> bool:
    try:
        return " Z " not in (process / "stat").read_text()
    except OSError:  # it went, also while it was read
        return False


def test_a_hook_may_leave_something_running(place: Place, tmp_path: Path) -> None:
    place.write("before-stop/10-starts", f"sleep 600 & echo $! >{tmp_path}/pid; echo done")
    begun = time.monotonic()
    place.hooks().run("before-stop", place.transaction)
    assert time.monotonic() - begun < 20, "sooner than its time is up"
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_the_transactions_time_limits_a_hook_too(place: Place) -> None:
    place.write("before-stop/10-slow", "sleep 600")
    place.transaction = place.journal.note(place.transaction, clock=Clock.started(3))
    with pytest.raises(HookError, match=r"did not end within [0-2]\.?\d* s"):
        place.hooks().run("before-stop", place.transaction)
    with pytest.raises(OtaError, match="time was up while running the hook 10-slow"):
        place.hooks().run("before-stop", place.transaction)


def test_around_a_rollback_nothing_stops_it_but_all_is_told(place: Place) -> None:
    place.write("before-rollback/10-bad", "echo no; exit 1")
    place.write("before-rollback/20-good", "exit 0")
    (place.directory / "before-rollback" / "30-not-a-program").write_text("text")
    (place.directory / "before-rollback" / "30-not-a-program").chmod(0o755)
    hooks = place.hooks(Hook(at="before-rollback", command=["/nowhere"]), allow_host_commands=True)
    hooks.run_best_effort("before-rollback", place.transaction)
    assert place.results() == [
        ("10-bad", 1),
        ("20-good", 0),
        ("30-not-a-program", None),
        ("gateway: /nowhere", None),
    ]


@pytest.mark.parametrize(
    ("mode", "owner", "message"),
    [
        (0o777, 0, "can be written by others (mode 0777)"),
        (0o775, 0, "can be written by others (mode 0775)"),
        (0o644, 0, "is not executable"),
        (0o755, 1, "belongs to the user 1, expected 0"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="root may give files away")
def test_a_program_that_others_could_change_is_not_run(place: Place, mode: int, owner: int, message: str) -> None:
    path = place.write("before-stop/10-hook", "exit 0", mode)
    os.chown(path, owner, owner)
    for attempt in (
        lambda: place.hooks().check(manifest(), [], []),
        lambda: place.hooks().run("before-stop", place.transaction),
    ):
        with pytest.raises(HookError) as refused:
            attempt()
        assert message in refused.value.message
    place.hooks().run_best_effort("before-stop", place.transaction)
    assert place.results() == [("hooks", None)]


def test_links_directories_and_open_directories_are_not_hooks(place: Place) -> None:
    place.write("before-stop/10-link", "exit 0").unlink()
    (place.directory / "before-stop" / "10-link").symlink_to("/bin/true")
    with pytest.raises(HookError, match="is not a plain file"):
        place.hooks().check(manifest(), [], [])
    (place.directory / "before-stop" / "10-link").unlink()
    (place.directory / "before-stop").chmod(0o777)
    with pytest.raises(HookError, match=r"before-stop can be written by others \(mode 0777\)"):
        place.hooks().check(manifest(), [], [])
    (place.directory / "before-stop").rmdir()
    (place.directory / "pre-stop").mkdir()
    with pytest.raises(HookError, match=r"pre-stop is for no point, expected before-backup, "):
        place.hooks().check(manifest(), [], [])


def test_commands_of_the_update_are_checked_before_anything_happens(place: Place) -> None:
    on_gateway = manifest(Hook(at="before-stop", command=["/bin/true"]))
    with pytest.raises(PolicyError) as refused:
        place.hooks().check(on_gateway, ["app"], ["app"])
    assert "asks to run /bin/true on the gateway itself" in refused.value.message
    assert "allow_host_commands = true" in refused.value.hint
    place.hooks(allow_host_commands=True).check(on_gateway, ["app"], ["app"])

    in_new = manifest(Hook(at="before-stop", service="new", command=["x"]))
    with pytest.raises(IncompatibleError, match="for the service new, which there is not at that point"):
        place.hooks().check(in_new, ["app"], ["app", "new"])
    place.hooks().check(manifest(Hook(at="after-start", service="new", command=["x"])), [], ["new"])


def test_what_the_owner_no_longer_allows_is_not_run(place: Place, tmp_path: Path) -> None:
    place.write("before-rollback/10-own", "exit 0")
    hooks = place.hooks(Hook(at="before-rollback", command=["touch", str(tmp_path / "touched")]))
    hooks.run_best_effort("before-rollback", place.transaction)
    assert [status for _, status in place.results()] == [0, None]
    assert not (tmp_path / "touched").exists()


def test_without_a_directory_there_is_nothing_to_do(place: Place) -> None:
    place.directory.rmdir()
    hooks = place.hooks()
    hooks.check(manifest(), [], [])
    assert hooks.run("before-stop", place.transaction) is place.transaction
