"""The boundary of both commands: exit statuses, hints, no traceback."""

from __future__ import annotations

import json

import click
import pytest

from ota_py.cli import run
from ota_py.errors import NoSpaceError, OtaError, all_errors


@click.command()
@click.option("--what", type=click.Choice(["ok", "space", "status"]))
@click.option("--json", "as_json", is_flag=True)
def command(what: str, as_json: bool) -> int | None:
    if what == "space":
        raise NoSpaceError("disk is full", hint="free some space", needed=5)
    return 7 if what == "status" else None


def test_success():
    assert run(command, ["--what", "ok"]) == 0


def test_a_command_may_return_its_status():
    assert run(command, ["--what", "status"]) == 7


def test_expected_failure(capsys: pytest.CaptureFixture[str]):
    assert run(command, ["--what", "space"]) == NoSpaceError.exit_status
    assert capsys.readouterr().err == "error: disk is full\nhint: free some space\n"


def test_expected_failure_as_json(capsys: pytest.CaptureFixture[str]):
    assert run(command, ["--what", "space", "--json"]) == NoSpaceError.exit_status
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "error": {
            "code": "no_space",
            "message": "disk is full",
            "hint": "free some space",
            "details": {"needed": 5},
        }
    }


def test_wrong_option(capsys: pytest.CaptureFixture[str]):
    assert run(command, ["--nonsense"]) == 2
    shown = capsys.readouterr().err
    assert "No such option" in shown
    assert "Usage:" in shown


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]):
    group = click.Group("shop", commands={"buy": command})
    assert run(group, []) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("Usage:")
    assert "hint:" not in shown


def test_codes_are_unique_and_statuses_fit_a_byte():
    codes = [cls.code for cls in all_errors()]
    assert len(codes) == len(set(codes))
    assert all(0 < cls.exit_status < 256 for cls in all_errors())
    assert all(issubclass(cls, OtaError) for cls in all_errors())
