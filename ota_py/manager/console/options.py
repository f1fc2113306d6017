"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

passphrase_option = click.option(
    "--passphrase-fd",
    type=int,
    metavar="N",
    help="Read the passphrase of the keys from this file descriptor [default: $OTA_<ROLE>_PASSPHRASE, or ask].",
)
key_option = click.option(
    "--key",
    "key_uris",
    metavar="URI",
    multiple=True,
    help="A private key to sign with, besides those of ota.toml; its passphrase: $OTA_SIGNING_PASSPHRASE.",
)
request_option = click.option(
    "--request",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the signing request goes if others must sign, too.",
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
