"""`renew`: sign the repository's freshness anew."""

from __future__ import annotations

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.options import passphrase_option
from ota_py.manager.parts import Parts


@click.command("renew")
@passphrase_option
@json_option
@click.pass_obj
def command(parts: Parts, /, *, passphrase_fd: int | None, as_json: bool) -> None:
    """Sign the repository's snapshot and timestamp anew, so that gateways go on trusting it.

    They hold for 30 days, and each create-update signs them too. Run this weekly from a timer, on a machine
    that has the online key.

    \b
    Example:
      OTA_ONLINE_PASSPHRASE=... ota_manager.py renew
    """
    from datetime import UTC, datetime

    from ota_py.manager.keys import online_signer
    from ota_py.manager.secrets import Passphrases
    from ota_py.trust.freshening import renew

    repository = parts.repository
    renew(
        repository,
        online_signer(parts.config.keys, repository, Passphrases(passphrase_fd)),
        datetime.now(UTC),
    )
    until = repository.timestamp.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    if as_json:
        echo_json({"expires": until})
    else:
        click.echo(f"The repository {parts.store.url} is fresh until {until}.")
