"""Confirmation by a person before something that cannot be taken back."""

from __future__ import annotations

import sys

import click

from ota_py.errors import UsageError


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person to confirm, unless `--yes` was given.

    Raises:
        UsageError: there is nobody to ask.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "this needs a person's yes, and there is no terminal to ask at",
            hint="look at what it says above, then give --yes",
        )
    click.confirm(question, abort=True, err=True)
