"""`keys add`, `keys rotate`, `keys revoke`, `keys renew`: the changes of root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from ota_py.cli import json_option
from ota_py.manager.config.model import Role
from ota_py.manager.console.options import key_option, passphrase_option, yes_option
from ota_py.manager.context import CommandContext

# `online`: snapshot and timestamp, where they share a key.
role_argument = click.argument("role", type=click.Choice([*get_args(Role), "online"]))
threshold_option = click.option("--threshold", type=int, metavar="N", help="How many keys of the role must sign.")
resign_option = click.option(
    "--resign",
    metavar="VERSION,...|all|none",
    help="Updates to be signed anew where their signatures would count no more; the others are taken off the list.",
)
unencrypted_option = click.option(
    "--unencrypted", is_flag=True, help="Write a new key in the clear (0600) where no passphrase is given."
)


def change_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that every change of root takes to a command."""
    for option in (
        json_option,
        passphrase_option,
        yes_option,
        click.option(
            "--request",
            type=click.Path(path_type=Path),
            help="Where to write the file that people pass on, if more must sign [default: root-N.request.json].",
        ),
        key_option,
    ):
        command = option(command)
    return command


@click.command("add")
@role_argument
@click.argument("public_keys", metavar="KEY...", nargs=-1, required=True)
@threshold_option
@resign_option
@change_options
@click.pass_obj
def add(context: CommandContext, /, *, role: str, public_keys: tuple[str, ...], **options: Any) -> None:
    """Let further keys sign for ROLE. KEY is a public key file, or the URI of a key in a KMS or an HSM.

    \b
    Examples:
      ota_manager.py keys add release bob.pub
      ota_manager.py keys add root bob.pub carol.pub --threshold 2
    """
    from ota_py.manager.rootchange.change import RootChange
    from ota_py.manager.signing.new_key import read_source
    from ota_py.trust.documents.root_change import with_key

    change = RootChange(context, options)
    now = change.role(role)
    sources = [read_source(text, change.passphrases) for text in public_keys]
    for source in sources:
        now = with_key(now, source.key, options["threshold"])
    change.carry_out(role, now, sources, resign_default="all")


@click.command("rotate")
@role_argument
@click.option("--to", metavar="KEY", help="The new key: a public key file, or a URI [default: one is made].")
@click.option("--old", metavar="ID", help="Beginning of the id of the key that goes, where there are several.")
@resign_option
@unencrypted_option
@change_options
@click.pass_obj
def rotate(context: CommandContext, /, *, role: str, to: str | None, old: str | None, **options: Any) -> None:
    """Put a new key of ROLE in the place of an old one, which counts no more.

    Updates that the old key signed are signed anew by the new one, unless --resign says otherwise.

    \b
    Examples:
      ota_manager.py keys rotate online
      ota_manager.py keys rotate timestamp --to awskms:alias/ota-timestamp
      ota_manager.py keys rotate release --to awskms:alias/ota-release
      ota_manager.py keys rotate root --old 4f1c --to dave.pub
    """
    from ota_py.manager.rootchange.change import RootChange

    change = RootChange(context, options)
    gone = change.find(role, old)
    with change.new_key(role, to) as source:
        change.replace(role, gone, source, resign_default="all")


@click.command("revoke")
@role_argument
@click.argument("key_id", metavar="ID")
@click.option("--to", metavar="KEY", help="A key to put in its place: a public key file, or a URI.")
@threshold_option
@resign_option
@change_options
@click.pass_obj
def revoke(context: CommandContext, /, *, role: str, key_id: str, to: str | None, **options: Any) -> None:
    """Let a key of ROLE count no more: it was stolen, or its holder left. ID is the beginning of its id.

    Whatever only a revoked release key signed is refused by gateways from then on. Say by --resign which
    updates are yours: those are signed anew by the keys that remain, and can be installed as before.

    \b
    Examples:
      ota_manager.py keys revoke release 4f1c --to release-2.pem --resign 1.1.0,1.2.0
      ota_manager.py keys revoke root 9ab0 --to dave.pub
    """
    from ota_py.manager.rootchange.change import RootChange
    from ota_py.manager.signing.new_key import read_source
    from ota_py.trust.documents.root_change import without_key

    change = RootChange(context, options)
    gone = change.find(role, key_id)
    if to:
        change.replace(role, gone, read_source(to, change.passphrases))
    else:
        left = without_key(change.role(role), gone, options["threshold"])
        change.carry_out(role, left, [])


@click.command("renew")
@change_options
@click.pass_obj
def renew(context: CommandContext, /, **options: Any) -> None:
    """Sign root.json anew, with the same keys, so that it does not expire.

    \b
    Examples:
      ota_manager.py keys renew
    """
    from ota_py.manager.rootchange.change import RootChange

    RootChange(context, {"resign": None, **options}).carry_out(None, None, [])
