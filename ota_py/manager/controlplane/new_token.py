"""A token that the control plane has just made: written to a file, or shown once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ota_py.cli import echo_json


def with_token(token_file: Path | None, request: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Request a token and write it to a file, which is made first, so that no token is lost."""
    if token_file is None:
        return request()
    from ota_py.manager.config.secrets import new_secret

    with new_secret(token_file) as file:
        answer = request()
        file.write(f"{answer.pop('token')}\n".encode())
    return answer | {"token_file": str(token_file)}


def show_token(answer: dict[str, Any], token_file: Path | None, as_json: bool, done: str) -> None:
    """Print what was done, and where the token is."""
    if as_json:
        echo_json(answer)
        return
    click.echo(done)
    click.echo(f"Its token is in {token_file}." if token_file else f"Its token, shown only now: {answer['token']}")
