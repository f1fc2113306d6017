"""`keys`: make keys, show who may sign what, and change it."""

from __future__ import annotations

from pathlib import Path

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.commands import keys_change
from ota_py.manager.console.options import passphrase_option
from ota_py.manager.context import CommandContext
from ota_py.trust.keys.key_files import DEFAULT_KIND, KINDS

FILE = click.Path(path_type=Path)


@click.group("keys")
def command() -> None:
    """Make keys, show who may sign what, and change it without a visit to any gateway.

    Roles: root says which keys count; release (TUF's targets) signs updates; snapshot says which list of
    updates is in force, and timestamp that it still is. These two begin with one key: online means both. A
    change is shown before it is made. Where more people must sign it, it is written to a file that they pass
    on (`sign`), and `publish` brings it into the store.

    \b
    Examples:
      ota_manager.py keys list
      ota_manager.py keys rotate online
    """


@command.command("init")
@click.argument("file", type=FILE)
@click.option("--type", "kind", type=click.Choice(list(KINDS)), default=DEFAULT_KIND, show_default=True)
@click.option("--unencrypted", is_flag=True, help="Write the key in the clear (0600) where no passphrase is given.")
@passphrase_option
@json_option
def init(file: Path, kind: str, unencrypted: bool, passphrase_fd: int | None, as_json: bool) -> None:
    """Make a key of your own: FILE, which stays with you, and beside it FILE's public part (.pub).

    It needs no ota.toml. Hand on the public part only. The passphrase is asked for, or comes from
    OTA_SIGNING_PASSPHRASE or --passphrase-fd.

    \b
    Examples:
      ota_manager.py keys init alice.pem
      ota_manager.py keys init alice.pem --type ed25519 --passphrase-fd 3 3< passphrase
    """
    from ota_py.manager.config.secrets import Passphrases
    from ota_py.manager.signing.local_keys import GIVEN
    from ota_py.manager.signing.new_key import make_key
    from ota_py.trust.keys.key_files import public_path

    key, encrypted = make_key(file, GIVEN, kind, Passphrases(passphrase_fd), unencrypted=unencrypted)
    if as_json:
        made = {"private": str(file), "public": str(public_path(file)), "encrypted": encrypted}
        echo_json({"key_id": key.keyid, **made})
        return
    click.echo(f"key id   {key.keyid}")
    click.echo(f"private  {file} ({'encrypted' if encrypted else 'NOT encrypted'}, 0600): keep it to yourself")
    click.echo(f"public   {public_path(file)}: hand this on")


@command.command("list")
@json_option
@click.pass_obj
def list_keys(context: CommandContext, /, *, as_json: bool) -> None:
    """Show the keys that root.json names, how many of them must sign, and what ota.toml names.

    It also shows what they signed: its version, how long it holds, and who must sign it anew if it expires
    soon, as `renew --check` does.

    \b
    Examples:
      ota_manager.py keys list
    """
    from datetime import UTC, datetime

    from ota_py.errors import OtaError
    from ota_py.manager.rootchange.report import keys_json, keys_lines
    from ota_py.trust.repository.freshness import Freshness, assess
    from ota_py.trust.verify import parse_root

    root = parse_root(context.newest_root)
    uris = context.config.keys.model_dump()
    fresh: list[Freshness] | OtaError
    try:
        fresh = assess(context.repository, datetime.now(UTC), context.config.expiry.warn_percent)
    except OtaError as error:  # root states which keys count, also where the rest cannot be read
        fresh = error
    if as_json:
        echo_json(keys_json(root, uris, fresh))
        return
    for line in keys_lines(root, uris, fresh):
        click.echo(line)


@command.command("export-public")
@click.argument("key")
@click.option("--output", type=FILE, help="Write it here [default: standard output].")
@passphrase_option
@json_option
def export_public(key: str, output: Path | None, passphrase_fd: int | None, as_json: bool) -> None:
    """Write the public part of a key: of a private key file, or of one in a KMS or an HSM.

    KEY is a file or a URI. The URI to use for signing is printed on standard error: for a key of which a service
    has several versions, it names the newest one.

    \b
    Examples:
      ota_manager.py keys export-public alice.pem --output alice.pub
      ota_manager.py keys export-public awskms:alias/ota-release --output release.pub
    """
    from ota_py.manager.config.secrets import Passphrases
    from ota_py.manager.signing.new_key import read_source
    from ota_py.trust.keys.key_files import public_pem, write_public

    source = read_source(key, Passphrases(passphrase_fd))
    if output:
        write_public(source.key, output)
    if as_json:
        echo_json({"key_id": source.key.keyid, "uri": source.uri, "public": public_pem(source.key).decode()})
        return
    if not output:
        click.echo(public_pem(source.key), nl=False)
    click.echo(f"key id {source.key.keyid}, {source.uri or key}", err=True)


for each in (keys_change.add, keys_change.rotate, keys_change.revoke, keys_change.renew):
    command.add_command(each)
