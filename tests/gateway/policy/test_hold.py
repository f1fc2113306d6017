"""Holds on an update: windows, a veto file, a veto command. No Docker."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ota_py.gateway.config.model import MaintenanceConfig
from ota_py.gateway.policy import hold
from tests.support.gateway import gateways

NEVER = gateways.closed_window()


def command(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def reason(critical: bool = False, **settings: object) -> str:
    found = hold.look(MaintenanceConfig(**settings), critical)  # type: ignore[arg-type]
    return found.reason if found else ""


def test_nothing_is_set_and_nothing_holds():
    assert reason() == ""


def test_outside_its_windows_it_waits():
    assert reason(windows=[NEVER]) == f"outside the maintenance windows ({NEVER})"
    assert reason(windows=[NEVER, "daily 00:00-24:00"]) == ""


def test_the_veto_file_holds_while_it_exists(tmp_path: Path):
    file = tmp_path / "veto"
    assert reason(veto_file=file) == ""
    file.touch()
    assert reason(veto_file=file) == f"the veto file {file} exists"
    file.unlink()
    file.symlink_to(tmp_path / "nowhere")
    assert reason(veto_file=file) == f"the veto file {file} exists"
    assert reason(veto_file=file / "below") == ""


def test_a_veto_file_that_cannot_be_looked_at_holds(tmp_path: Path):
    long = tmp_path / ("x" * 300)
    assert "cannot be looked at: File name too long" in reason(veto_file=long)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("pass", ""),
        ("print('kitchen is busy'); print('more'); raise SystemExit(1)", "vetoed: kitchen is busy"),
        ("import sys; sys.exit('at the till')", "vetoed: at the till"),
        ("raise SystemExit(7)", f"vetoed: {sys.executable} ended with exit status 7"),
        ("print('\\x1b[31mred' + 'x' * 999); raise SystemExit(1)", "vetoed: [31mred" + "x" * 193),
        ("import os; os.kill(os.getpid(), 9)", f"vetoed: {sys.executable} ended with exit status -9"),
    ],
)
def test_the_veto_command_decides_by_its_exit_status_and_says_why(script: str, expected: str):
    assert reason(veto_command=command(script)) == expected


def test_a_veto_command_that_hangs_cannot_run_or_is_not_there_holds(tmp_path: Path):
    hangs = reason(veto_command=command("import time; time.sleep(60)"), veto_seconds=0.3)
    assert hangs.startswith("the veto command gave no answer: ")
    assert "did not end within" in hangs
    assert "is not installed" in reason(veto_command=[str(tmp_path / "nothing")])
    (tmp_path / "plain").touch(mode=0o600)
    assert "cannot run: Permission denied" in reason(veto_command=[str(tmp_path / "plain")])


@pytest.mark.parametrize(
    ("overrides", "waits_for"),
    [
        ("nothing", ["outside", "the veto file", "vetoed"]),
        ("window", ["the veto file", "vetoed"]),
        ("all", []),
    ],
)
def test_what_a_critical_update_does_not_wait_for(tmp_path: Path, overrides: str, waits_for: list[str]):
    file = tmp_path / "veto"
    file.touch()
    holds = [
        {"windows": [NEVER]},
        {"veto_file": file},
        {"veto_command": command("raise SystemExit(1)")},
    ]
    critical = [reason(True, critical_overrides=overrides, **settings) for settings in holds]
    assert [text for text in critical if text] == [
        text for text in critical if any(text.startswith(start) for start in waits_for)
    ]
    assert len([text for text in critical if text]) == len(waits_for)
    assert all(reason(False, critical_overrides=overrides, **settings) for settings in holds)


def test_a_glance_runs_no_command(tmp_path: Path):
    ran = tmp_path / "ran"
    settings = MaintenanceConfig(veto_command=command(f"open({str(ran)!r}, 'w'); raise SystemExit(1)"))
    assert hold.glance(settings, critical=False) is None
    assert not ran.exists()
    assert hold.look(settings, critical=False) is not None
    assert ran.exists()
