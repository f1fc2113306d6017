"""`publish`: bring a signing request that several people signed into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.console.options import key_option, passphrase_option
from ota_py.manager.context import CommandContext

if TYPE_CHECKING:
    from ota_py.manager.config.secrets import Passphrases
    from ota_py.trust.documents.signing_request import SigningRequest


@click.command("publish")
@click.argument("file", type=click.Path(path_type=Path))
@key_option
@passphrase_option
@json_option
@click.pass_obj
def command(
    context: CommandContext,
    /,
    *,
    file: Path,
    key_uris: tuple[str, ...],
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Publish a signing request that enough people signed, where store, snapshot and timestamp key are.

    After an error it can simply be run again. An update's place in the list of updates is signed here, too,
    with the release key of ota.toml or --key. Where something else was published meanwhile, the file is made
    anew for that; the signatures of the update itself stay.

    \b
    Examples:
      ota_manager.py publish root-2.request.json
      ota_manager.py publish update-1.2.0.request.json
    """
    from datetime import UTC, datetime

    from ota_py.manager.config.secrets import Passphrases
    from ota_py.manager.rootchange.publish import publish_change
    from ota_py.manager.rootchange.report import published_json, published_lines
    from ota_py.trust.documents.signing_request import read_request

    request = read_request(file)
    passphrases = Passphrases(passphrase_fd)
    if request.kind == "release":
        _release(context, request, file, key_uris, passphrases, as_json=as_json)
        return
    done = publish_change(context, request, key_uris, passphrases, datetime.now(UTC), file)
    if as_json:
        echo_json(published_json(done))
        return
    for line in published_lines(done):
        click.echo(line)


def _release(
    context: CommandContext,
    request: SigningRequest,
    file: Path,
    key_uris: tuple[str, ...],
    passphrases: Passphrases,
    *,
    as_json: bool,
) -> None:
    from datetime import UTC, datetime

    from ota_py.manager.release.prepare import Destinations
    from ota_py.manager.release.release import Keys, publish, released_json
    from ota_py.manager.signing.request_text import pass_on_lines

    places = Destinations(context.repository, context.control_plane, context.registry)
    keys = Keys(context.config.keys, passphrases, key_uris)
    done = publish(request, file, places, keys, datetime.now(UTC), lambda line: click.echo(line, err=True))
    if as_json:
        echo_json(released_json(done))
    elif done.file:
        for line in pass_on_lines(done.signing, done.file):
            click.echo(line)
    elif done.update:
        click.echo(f"Update {done.update['version']} is {done.update['state']}.")
    else:
        click.echo("The list of updates is signed anew.")
