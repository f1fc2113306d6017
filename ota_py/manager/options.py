"""Options that several commands share."""

from __future__ import annotations

import click

passphrase_option = click.option(
    "--passphrase-fd",
    type=int,
    metavar="N",
    help="Read the passphrase of the keys from this file descriptor "
    "[default: $OTA_<ROLE>_PASSPHRASE, or ask].",
)
