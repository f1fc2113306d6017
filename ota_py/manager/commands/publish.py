"""`publish`: bring what several people signed into the store."""

from __future__ import annotations

from pathlib import Path

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.options import key_option, passphrase_option
from ota_py.manager.parts import Parts


@click.command("publish")
@click.argument("file", type=click.Path(path_type=Path))
@key_option
@passphrase_option
@json_option
@click.pass_obj
def command(
    parts: Parts, /, *, file: Path, key_uris: tuple[str, ...], passphrase_fd: int | None, as_json: bool
) -> None:
    """Publish a signing request that everybody signed, where the store and the online key are.

    After an error it can simply be run again.

    \b
    Examples:
      ota_manager.py publish root-2.request.json
    """
    from datetime import UTC, datetime

    from ota_py.manager.carry_out import publish_change
    from ota_py.manager.key_report import published_json, published_lines
    from ota_py.manager.secrets import Passphrases
    from ota_py.trust.request import read_request

    request = read_request(file)
    done = publish_change(parts, request, key_uris, Passphrases(passphrase_fd), datetime.now(UTC))
    if as_json:
        echo_json(published_json(done))
        return
    for line in published_lines(done):
        click.echo(line)
