"""Commands that change what the gateway runs: update, rollback, recover."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.contract.transactions import Outcome, State
from ota_py.errors import BrokenError, CarrierError, OtaError, RolledBackError, UsageError
from ota_py.gateway.commands.session import choose, choose_held, config_option, session


@click.command()
@click.option("--version", help="The version to update to; not given: the assigned one, else the newest fit.")
@click.option(
    "--manifest", type=click.Path(path_type=Path), help="A manifest file, with FILE.sig and files/ beside it."
)
@click.option("--bundle", type=click.Path(path_type=Path), help="A bundle: all of an update in one file.")
@click.option(
    "--until",
    type=click.Choice([State.VERIFIED, State.BACKED_UP, State.COMMITTED]),
    default=State.COMMITTED,
    show_default=True,
    help="Stop here and leave the transaction open; a later update goes on.",
)
@click.option("--rollout", type=int, help="The rollout that asks for it, for the reports.")
@click.option("--force", is_flag=True, help="Also a version that was rolled back here, or after BROKEN.")
@click.option("--now", is_flag=True, help="Whatever maintenance windows and vetoes say: a person decided.")
@click.option("--held", is_flag=True, help="Go on with the update that is held back, from what is here.")
@config_option
@json_option
def update(
    version: str | None,
    manifest: Path | None,
    bundle: Path | None,
    until: State,
    rollout: int | None,
    force: bool,
    now: bool,
    held: bool,
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Update this gateway, or roll back by itself if the update is not well.

    \b
    Examples:
      ota_client.py update                      # what is assigned, else the newest
      ota_client.py update --version 1.2.0
      ota_client.py update --manifest /media/usb/manifest.json
      ota_client.py update --bundle /media/usb/update-1.2.0.bundle    # needs no network
      ota_client.py update --held --now         # what waits for its maintenance window, at once
    """
    from ota_py.gateway.selfupdate import upgrade
    from ota_py.gateway.transaction.results import nothing_done

    if sum(map(bool, (version, manifest, bundle, held))) > 1:
        raise UsageError("--version, --manifest, --bundle and --held exclude each other", hint="give one of them")
    with session(config_file, as_json) as s:
        try:
            source, rollout = choose_held(s) if held else choose(s, version, manifest, bundle, rollout)
        except CarrierError:
            raise  # nothing is decided: the agent or the rollout tries again
        except OtaError as error:
            waiting = s.journal.open_transaction() if held else None
            named = waiting.version if waiting else version
            if not named:
                raise
            rollout = waiting.rollout if waiting else rollout
            return conclude(s.engine.refuse(named, error, rollout), as_json)
        if source is None:
            return conclude(nothing_done(s.journal.installed_version, "no newer update"), as_json)
        try:
            result = s.engine.update(
                source.verified,
                source.fetch,
                stream=source.stream,
                rollout=rollout,
                until=until,
                force=force,
                now=now,
                bundle=source.bundle,
                held=held,
            )
        except BrokenError as error:
            if rollout is None:
                raise
            # The rollout waits for a report of this gateway.
            result = s.engine.refuse(source.verified.manifest.version, error, rollout)
        finally:
            if source.bundle:
                source.bundle.close()
        upgrade.start_supervisor(config_file, s.journal, s.config)
        return conclude(result, as_json)


@click.command()
@click.option("--keep-databases", is_flag=True, help="Leave databases as they are now.")
@config_option
@json_option
def rollback(keep_databases: bool, config_file: Path | None, as_json: bool) -> int:
    """Return to the version before the installed one: files, images and databases of its backup.

    What was written to the databases since that update is lost, unless --keep-databases is given.
    """
    with session(config_file, as_json) as s:
        return conclude(s.engine.rollback(keep_databases=keep_databases), as_json)


@click.command()
@click.option("--held", is_flag=True, help="Also give up an update that is held back.")
@config_option
@json_option
def recover(held: bool, config_file: Path | None, as_json: bool) -> int:
    """End an interrupted transaction: committed, rolled back, or failed with nothing touched.

    On an idle gateway nothing happens, and an update that is held back goes on waiting. Run at boot, before
    the agent.
    """
    from ota_py.gateway.selfupdate import upgrade

    with session(config_file, as_json) as s:
        result = s.engine.recover(held=held)
        upgrade.start_supervisor(config_file, s.journal, s.config)
    # Recovery did what it is for, even where the transaction it found did not succeed.
    status = conclude(result, as_json)
    return status if result["outcome"] == Outcome.BROKEN else 0


@click.command(name="accept-files")
@config_option
@json_option
def accept_files(config_file: Path | None, as_json: bool) -> int:
    """Record the Compose files as they are now: what they give to services, an update may give to them, too.

    For an owner who changed them by hand. `status` shows which differ from what was recorded.
    """
    from ota_py.gateway.transaction import accept_files as transaction

    with session(config_file, as_json) as s:
        found = transaction.accept(s.engine.context)
    if as_json:
        echo_json({"requests": found.requests, "files": found.files, "changed": True})
        return 0
    for service, grant in found.requests:
        click.echo(f"{service or 'compose file'}: {grant}")
    click.echo(f"{len(found.files)} files, {len(found.requests)} requests beyond what is harmless")
    return 0


def conclude(result: dict[str, Any], as_json: bool) -> int:
    """Print a result; returns the exit status that belongs to it."""
    from ota_py.gateway.commands.output import sentence

    status = _exit_status(result)
    if as_json:
        echo_json(result)
        return status
    click.echo(sentence(result))
    if status:
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(result["reason"], err=True)
        if hint := (result["error"] or {}).get("hint"):
            click.echo(f"hint: {hint}", err=True)
    return status


def _exit_status(result: dict[str, Any]) -> int:
    from ota_py.errors import all_errors

    if result["outcome"] == Outcome.BROKEN:
        return BrokenError.exit_status
    if result["error"] is None:
        return 0
    if result["outcome"] == Outcome.ROLLED_BACK:
        return RolledBackError.exit_status
    codes = {cls.code: cls.exit_status for cls in all_errors()}
    return codes[result["error"]["code"]]
