"""Power cuts that lose what was not synced, and kills and errors at system calls, injected by strace."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash import injection, power, scenarios, strace, sweep
from tests.crash.case import Report
from tests.crash.disk import Disk
from tests.crash.replay import RECORDED, Replay

# On a busy machine the longest take minutes.
pytestmark = pytest.mark.timeout(900)

Swept = Callable[[Callable[[Report], None]], None]


@pytest.mark.case("F02")
@pytest.mark.parametrize("name", list(power.SHARES))
def test_a_power_cut_loses_what_was_not_synced_and_nothing_else(name: str, swept: Swept) -> None:
    swept(lambda report: power.sweep(scenarios.named(name), report))


@pytest.mark.case("F01", "F10")
@pytest.mark.parametrize("name", injection.SCENARIOS)
def test_killed_or_refused_at_a_system_call(name: str, swept: Swept) -> None:
    swept(lambda report: injection.sweep(scenarios.named(name), report))


def test_the_model_of_the_disk_is_what_the_kernel_made(tmp_path: Path) -> None:
    """Without a cut, the replayed calls lead to the very tree that the run left behind."""
    with sweep.bench(scenarios.named("unhealthy")) as bench:
        calls = power.record(bench)
        left = Disk(bench.gateway.directory)
        bench.reset()
        disk = Disk(bench.gateway.directory)
        replay = Replay(disk)
        for call in calls:
            replay.apply(call)
        replay.sync_all()
    expected = {path: (node.kind, bytes(node.data)) for path, node in left.walk(names_kept=True)}
    got = {path: (node.kind, bytes(node.data)) for path, node in disk.walk(names_kept=True)}
    assert got == expected


def test_the_model_loses_what_was_not_synced(tmp_path: Path) -> None:
    directory = tmp_path / "tree"
    (directory / "kept").mkdir(parents=True)
    (directory / "kept" / "old").write_bytes(b"old")

    def act() -> None:
        for name, synced in (("synced", True), ("lost", False)):
            with open(directory / "kept" / name, "wb") as file:
                file.write(b"data")
                file.flush()
                if synced:
                    os.fsync(file.fileno())
        os.replace(directory / "kept" / "synced", directory / "kept" / "old")

    disk = Disk(directory)
    options = ["-xx", "-s", "10000", "-e", "trace=" + ",".join(RECORDED)]
    assert not strace.run(act, options, tmp_path / "calls").problem
    replay = Replay(disk)
    for call in strace.parse(tmp_path / "calls"):
        replay.apply(call)

    worst, names = tmp_path / "worst", tmp_path / "names"
    disk.write(worst, names_kept=False)
    disk.write(names, names_kept=True)

    assert {p.name: p.read_bytes() for p in (worst / "kept").iterdir()} == {"old": b"old"}
    assert {p.name: p.read_bytes() for p in (names / "kept").iterdir()} == {"old": b"data", "lost": b""}


def test_where_tracing_is_forbidden_the_run_fails_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strace").write_text("#!/bin/sh\necho 'attach: Operation not permitted' >&2\nexit 1\n")
    (tmp_path / "strace").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(RuntimeError, match="strace could not attach: attach: Operation not permitted"):
        strace.run(lambda: None, [], tmp_path / "calls")
