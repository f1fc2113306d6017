"""The boundary of both commands, where an error becomes an exit status, and their option `--json`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from ota_py.errors import InterruptedByOperatorError, OtaError, UsageError
from ota_py.text.printable import printable

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document for programs.")


def echo_json(data: Any) -> None:
    """Print `data` as one JSON document on standard output."""
    click.echo(json.dumps(data, indent=2, sort_keys=True, default=str))


def run(command: click.Command, argv: list[str] | None = None) -> int:
    """Run a click command and return its exit status; expected failures never show a traceback.

    With `--json` anywhere among the arguments the error goes to standard output as
    `{"error": {"code", "message", "hint", "details"}}`, otherwise to standard error as text.
    """
    arguments = sys.argv[1:] if argv is None else argv
    as_json = "--json" in arguments
    try:
        result = command.main(args=arguments, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return UsageError.exit_status
    except click.ClickException as error:
        usage = error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx else ""
        return _report(UsageError(error.format_message(), hint=usage), as_json)
    except (click.Abort, KeyboardInterrupt):
        return _report(InterruptedByOperatorError("interrupted"), as_json)
    except OtaError as error:
        return _report(error, as_json)
    except BrokenPipeError:
        # The reader (`| head`) went away: point standard output at nothing, so that the exit is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def main(command: click.Command) -> Callable[[], None]:
    """The `main()` of a program built on `command`: the only place that exits the process."""

    def entry() -> None:
        sys.exit(run(command))

    return entry


def _report(error: OtaError, as_json: bool) -> int:
    if as_json:
        echo_json({"error": error.as_dict()})
        return error.exit_status
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    # A message may quote what others wrote.
    click.echo(printable(error.message, lines=True), err=True)
    if error.hint:
        click.secho("hint: ", fg="yellow", nl=False, err=True)
        click.echo(printable(error.hint, lines=True), err=True)
    return error.exit_status
