"""`sign`: add one's signature to a signing request, a file that people pass on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.console.options import key_option, passphrase_option, yes_option
from ota_py.manager.context import CommandContext

if TYPE_CHECKING:
    from ota_py.trust.documents.signing_request import SigningRequest


@click.command("sign")
@click.argument("file", type=click.Path(path_type=Path))
@key_option
@click.option("--root", type=click.Path(path_type=Path), help="The root.json that you trust, to compare.")
@yes_option
@passphrase_option
@json_option
@click.pass_obj
def command(
    context: CommandContext,
    /,
    *,
    file: Path,
    key_uris: tuple[str, ...],
    root: Path | None,
    yes: bool,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Show what a signing request holds, sign it, and say who is next.

    FILE is what `keys` or `create-update` wrote where more signatures are needed. It takes no network and no
    store; without --key, an ota.toml that names your key. The root.json that you trust (--root, or that of
    ota.toml) must be the one that the request was made for.

    \b
    Examples:
      ota_manager.py sign root-2.request.json --key file:alice.pem --root root.json
      ota_manager.py sign root-2.request.json --key hsm:2?label=alice
    """
    from ota_py.manager.config.secrets import Passphrases
    from ota_py.manager.console.confirm import confirm
    from ota_py.manager.rootchange.publish import sign_here
    from ota_py.manager.signing.request_text import missing_lines, request_lines
    from ota_py.trust.documents.signatures import Signing
    from ota_py.trust.documents.signing_request import read_request, write_request

    request = read_request(file)
    config = None if key_uris else context.config
    trusted = root or (config.repository.root if config else None)
    if trusted:
        _check_root(request, trusted)
    signing = Signing(request)
    if not as_json:
        for line in [request.title, *request_lines(signing)]:
            click.echo(line)
        if trusted is None:
            click.echo("note: without --root the keys before the change are those that the file names")
    confirm("Sign this?", yes=yes)
    signed = sign_here(request, config.keys if config else None, key_uris, Passphrases(passphrase_fd))
    added = _signers(signed) - _signers(request)
    write_request(signed, file)
    missing = Signing(signed).missing()
    if as_json:
        echo_json(
            {
                "file": str(file),
                "signed_by": sorted(added),
                "complete": not missing,
                "missing": [vars(each) for each in missing],
            }
        )
        return
    click.echo(f"Signed by {', '.join(key[:16] for key in sorted(added)) or 'no further key'}.")
    if missing:
        click.echo("Still needed; pass the file on:")
        for line in missing_lines(Signing(signed)):
            click.echo(f"  {line}")
    else:
        click.echo("That was the last signature. Where store, snapshot and timestamp key are, run:")
        click.echo(f"  ota_manager.py publish {file}")


def _check_root(request: SigningRequest, path: Path) -> None:
    """Check that the request is for the root that this person trusts.

    Raises:
        TrustError: it is for another one.
    """
    from ota_py.errors import ConfigError, TrustError
    from ota_py.trust.documents.root_change import payload_of
    from ota_py.trust.verify import parse_root

    try:
        trusted = parse_root(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the trust root {path}: {error.strerror}") from None
    requested = parse_root(request.root)
    if payload_of(trusted) != payload_of(requested):
        raise TrustError(
            f"the request was made for another root (version {requested.version}) "
            f"than {path} (version {trusted.version})",
            hint="get the newest root.json from somebody whom you trust; if it differs, do not sign",
        )


def _signers(request: SigningRequest) -> set[str]:
    return {keyid for document in request.documents for keyid in document.signatures}
