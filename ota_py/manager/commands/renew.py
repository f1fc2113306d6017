"""`renew`: sign timestamp and snapshot anew, and show who must sign the rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.contract.fleet import FreshnessState
from ota_py.manager.console.options import passphrase_option, request_option
from ota_py.manager.context import CommandContext

if TYPE_CHECKING:
    from ota_py.manager.release.release import Keys, Released
    from ota_py.trust.repository.freshness import Freshness


@click.command("renew")
@click.option("--check", is_flag=True, help="Sign nothing; exit status 43 if something expires soon.")
@click.option("--release", is_flag=True, help="Sign the list of updates anew, too; takes the release key.")
@request_option
@passphrase_option
@json_option
@click.pass_obj
def command(
    context: CommandContext,
    /,
    *,
    check: bool,
    release: bool,
    request: Path | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Sign timestamp anew, and snapshot where its key is here, so that gateways go on trusting them.

    Each create-update signs them too. Run this from a timer on a machine that has their keys, or let
    `serve` do it (server.renew in ota.toml). Root and list of updates hold longer and take a person; this
    command says who, and what to run. How long each holds: `[expiry]` in ota.toml.

    \b
    Examples:
      OTA_ONLINE_PASSPHRASE=... ota_manager.py renew
      ota_manager.py renew --check || mail -s "sign anew" operator@example.com
      ota_manager.py renew --release
    """
    from datetime import UTC, datetime

    from ota_py.errors import ExpiringError, UsageError
    from ota_py.manager.config.secrets import Passphrases
    from ota_py.manager.release.release import Keys
    from ota_py.trust.repository.freshness import assess

    if check and release:
        raise UsageError("--check signs nothing, and --release signs", hint="give one of them")
    now = datetime.now(UTC)
    done = None if check else _renew(context, Keys(context.config.keys, Passphrases(passphrase_fd)), release, request)
    found = assess(context.repository, now, context.config.expiry.warn_percent)
    late = [each for each in found if each.state is not FreshnessState.FRESH]
    error = ExpiringError("; ".join(_line(each) for each in late), hint="; ".join(each.to_do for each in late))
    if as_json:
        _echo(context, found, done, error if check and late else None)
    else:
        _show(context, found, done)
    if check and late:
        if as_json:
            raise click.exceptions.Exit(error.exit_status)
        raise error


def _renew(context: CommandContext, keys: Keys, release: bool, request: Path | None) -> Released | None:
    from datetime import UTC, datetime

    from ota_py.manager.release.release import renew_list
    from ota_py.trust.publish.freshen import renew

    now = datetime.now(UTC)
    if release:
        return renew_list(context.repository, context.config.fleet, keys, request, now, _print_line)
    renew(context.repository, keys.online(context.repository), now)
    return None


def _echo(context: CommandContext, found: list[Freshness], done: Released | None, error: Exception | None) -> None:
    from ota_py.errors import ExpiringError
    from ota_py.manager.release.release import released_json
    from ota_py.manager.signing.freshness_text import freshness_json

    shown: dict[str, Any] = {"roles": [freshness_json(each) for each in found]}
    if done:
        shown |= released_json(done)
    if isinstance(error, ExpiringError):
        shown["error"] = error.as_dict()
    echo_json(shown)


def _show(context: CommandContext, found: list[Freshness], done: Released | None) -> None:
    from ota_py.manager.signing.request_text import pass_on_lines

    if done and done.file:
        for line in pass_on_lines(done.signing, done.file):
            click.echo(line)
    colours = {FreshnessState.FRESH: "green", FreshnessState.EXPIRED: "red"}
    for each in found:
        click.secho(_line(each), fg=colours.get(each.state, "yellow"))
        if each.state is not FreshnessState.FRESH:
            click.echo(f"  {each.to_do}")


def _line(each: Freshness) -> str:
    from ota_py.manager.signing.freshness_text import state_words

    return f"{each.role}: {state_words(each)}"


def _print_line(line: str) -> None:
    click.echo(line, err=True)
