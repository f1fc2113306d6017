"""`ota_client.py`: the gateway's command. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import ota_py
from ota_py import cli as shared
from ota_py.cli import echo_json, json_option
from ota_py.errors import CarrierError, HealthError, OtaError, RolledBackError, UsageError

if TYPE_CHECKING:
    from ota_py.gateway.config import Config
    from ota_py.gateway.engine import Engine
    from ota_py.gateway.journal import Journal
    from ota_py.gateway.sources import Source

F = TypeVar("F")

EPILOG = """\b
Exit status: 0 done or nothing to do, 2 usage, 3 configuration, 6 not found, 10 a carrier cannot be
reached, 20 not what was signed, 21 not for this gateway, 23 no space, 24 busy, 25 Docker, 26 backup,
27 not healthy, 28 out of time, 31 rolled back, 32 broken: a person is needed, 33 journal.

\b
Examples:
  ota_client.py check
  ota_client.py update --version 1.2.0
  ota_client.py update --manifest /media/usb/manifest.json
  ota_client.py status --json
"""


class _Commands(click.Group):
    """Imports `run`, the agent's command, only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "run"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "run":
            return super().get_command(ctx, cmd_name)
        from ota_py.gateway.agent_cli import run

        return run


@click.group(cls=_Commands, epilog=EPILOG)
@click.version_option(ota_py.__version__, prog_name="ota_client")
def cli() -> None:
    """Update this gateway, look after it, and undo an update."""


config_option = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="The gateway's configuration."
)


@dataclass(frozen=True)
class Session:
    """What a command works with."""

    config: Config
    journal: Journal
    engine: Engine


@contextlib.contextmanager
def session(config_file: Path | None, as_json: bool = True) -> Iterator[Session]:
    """Open configuration and journal; progress is shown unless the answer is JSON."""
    from ota_py.gateway import config, interrupts
    from ota_py.gateway.engine import Engine
    from ota_py.gateway.journal import Journal
    from ota_py.gateway.presenting import Terminal

    settings = config.load(config_file)
    interrupts.listen()
    with Journal(settings) as journal:
        yield Session(settings, journal, Engine(settings, journal, None if as_json else Terminal()))


@cli.command()
@config_option
@json_option
def check(config_file: Path | None, as_json: bool) -> int:
    """Look for newer updates in the repository, and for what the control plane assigned."""
    from ota_py.gateway import inspection, sources

    with session(config_file) as s:
        found = inspection.check(s.config, s.journal, sources.trust_client(s.config, s.journal))
    if as_json:
        echo_json(found)
        return 0
    click.echo(f"current: {found['current']}")
    for update in found["available"]:
        marks = [word for word in ("critical", "known_bad") if update[word]]
        click.echo(f"available: {update['version']}{'  (' + ', '.join(marks) + ')' if marks else ''}")
    if found["assigned"]:
        click.echo(f"assigned: {found['assigned']['version']} by rollout {found['assigned']['rollout']}")
    if found["control_plane_error"]:
        click.echo(f"control plane: {found['control_plane_error']}")
    if not found["available"]:
        click.echo("nothing newer")
    return 0


@cli.command()
@click.option("--version", help="The version to update to; not given: the assigned one, else the newest fit.")
@click.option(
    "--manifest", type=click.Path(path_type=Path), help="A manifest file, with FILE.sig and files/ beside it."
)
@click.option(
    "--until",
    type=click.Choice(["VERIFIED", "BACKED_UP", "COMMITTED"]),
    default="COMMITTED",
    show_default=True,
    help="Stop here and leave the transaction open; a later update goes on.",
)
@click.option("--rollout", type=int, help="The rollout that asks for it, for the reports.")
@click.option("--force", is_flag=True, help="Also a version that was rolled back here, or after BROKEN.")
@config_option
@json_option
def update(
    version: str | None,
    manifest: Path | None,
    until: str,
    rollout: int | None,
    force: bool,
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Update this gateway, or roll back by itself if the update is not well.

    \b
    Examples:
      ota_client.py update                      # what is assigned, else the newest
      ota_client.py update --version 1.2.0
      ota_client.py update --manifest /media/usb/manifest.json
    """
    from ota_py.gateway.results import nothing_done
    from ota_py.gateway.states import State

    if version and manifest:
        raise UsageError("--version and --manifest exclude each other", hint="give one of them")
    with session(config_file, as_json) as s:
        try:
            source, rollout = _choose(s, version, manifest, rollout)
        except CarrierError:
            raise  # nothing is decided: whoever asked tries again
        except OtaError as error:
            if not version:
                raise
            return _conclude(s.engine.refuse(version, error, rollout), as_json)
        if source is None:
            return _conclude(nothing_done(s.journal.installed_version, "no newer update"), as_json)
        result = s.engine.update(
            source.verified, source.fetch, rollout=rollout, until=State(until), force=force
        )
        return _conclude(result, as_json)


def _choose(
    s: Session, version: str | None, manifest: Path | None, rollout: int | None
) -> tuple[Source | None, int | None]:
    """The update that the options name, and the rollout behind it."""
    from ota_py.gateway import inspection, sources

    trust = sources.trust_client(s.config, s.journal)
    if manifest:
        return sources.from_file(trust, manifest), rollout
    if version:
        return sources.from_repository(trust, version), rollout
    assigned = inspection.assignment(s.config)
    if assigned:
        return sources.from_repository(trust, assigned.version), assigned.rollout
    return sources.newest(trust, s.config, s.journal), rollout


@cli.command()
@click.option("--keep-databases", is_flag=True, help="Leave databases as they are now.")
@config_option
@json_option
def rollback(keep_databases: bool, config_file: Path | None, as_json: bool) -> int:
    """Return to the version before the installed one: files, images and databases of its backup.

    What was written to the databases since that update is lost, unless --keep-databases is given.
    """
    with session(config_file, as_json) as s:
        return _conclude(s.engine.rollback(keep_databases=keep_databases), as_json)


@cli.command()
@config_option
@json_option
def recover(config_file: Path | None, as_json: bool) -> int:
    """End an interrupted transaction: committed, rolled back, or failed with nothing touched.

    On an idle gateway nothing happens. Run at boot, before the agent.
    """
    with session(config_file, as_json) as s:
        result = s.engine.recover()
    # Recovery did what it is for, even where the transaction it found did not succeed.
    status = _conclude(result, as_json)
    return status if result["outcome"] == "BROKEN" else 0


@cli.command()
@config_option
@json_option
def status(config_file: Path | None, as_json: bool) -> int:
    """Show what runs, the last transaction, and versions that are known to be bad."""
    from ota_py.gateway import inspection
    from ota_py.gateway.presenting import table

    with session(config_file) as s:
        found = inspection.status(s.config, s.journal, s.engine)
    if as_json:
        echo_json(found)
        return 0
    click.echo(f"gateway: {found['gateway']} ({found['fleet']})\nversion: {found['version']}")
    last = found["transaction"]
    if last:
        reason = f" ({last['reason']})" if last["reason"] else ""
        click.echo(f"last:    {last['from_version']} -> {last['version']}: {last['state']}{reason}")
    for bad, reason in found["known_bad"].items():
        click.echo(f"bad:     {bad}: {reason}")
    rows = [[n, v["state"], v["health"], v["image"], v["digest"]] for n, v in found["services"].items()]
    click.echo(
        "\n" + (found["engine_error"] or table(["SERVICE", "STATE", "HEALTH", "IMAGE", "DIGEST"], rows))
    )
    return 0


@cli.command()
@config_option
@json_option
def backup(config_file: Path | None, as_json: bool) -> int:
    """Back up Compose file, configuration, image ids and databases as they are now. Stops nothing."""
    with session(config_file, as_json) as s:
        made = s.engine.backup()
    data = {
        "id": made.id,
        "version": made.version,
        "created_at": made.created_at,
        "files": [saved.path for saved in made.files],
        "databases": [saved.label for saved in made.databases],
        "changed": True,
    }
    if as_json:
        echo_json(data)
    else:
        click.echo(
            f"backup {made.id} of {made.version}: {len(made.files)} files, {len(made.databases)} databases"
        )
    return 0


@cli.command(name="list-backups")
@config_option
@json_option
def list_backups(config_file: Path | None, as_json: bool) -> int:
    """List the backups, newest first."""
    from ota_py.gateway.presenting import table

    with session(config_file) as s:
        entries = s.engine.parts.backups.entries()
    if as_json:
        echo_json({"backups": entries})
    else:
        rows = [[e["id"], e["version"], e["created_at"], e["bytes"]] for e in entries]
        click.echo(table(["ID", "VERSION", "CREATED", "BYTES"], rows))
    return 0


@cli.command(name="health-check")
@config_option
@json_option
def health_check(config_file: Path | None, as_json: bool) -> int:
    """Check every service and probe as they are now; exit status 27 if something is not well."""
    from ota_py.gateway import inspection

    with session(config_file) as s:
        found = inspection.health_report(s.config, s.engine)
    error = HealthError("; ".join(found["problems"])) if found["problems"] else None
    if as_json:
        echo_json({**found, "changed": False, "error": error.as_dict() if error else None})
        return error.exit_status if error else 0
    for entry in [*found["services"], *found["probes"]]:
        click.echo(
            f"{'ok  ' if entry['healthy'] else 'FAIL'} {entry.get('service') or entry['probe']}"
            f"{'  ' + entry['problem'] if entry['problem'] else ''}"
        )
    if error:
        raise error
    return 0


@cli.command()
@click.option("--version", help="A version in the repository.")
@click.option("--manifest", type=click.Path(path_type=Path), help="A manifest file with FILE.sig beside it.")
@config_option
@json_option
def verify(version: str | None, manifest: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Check signature, files and fit of an update without beginning it."""
    from ota_py.gateway import compat

    if bool(version) == bool(manifest):
        raise UsageError("verify needs --version or --manifest", hint="give one of them")
    with session(config_file) as s:
        source, _ = _choose(s, version, manifest, None)
        assert source is not None
        found = source.verified.manifest
        for file in found.all_files:
            source.fetch(file)
        compat.check(found, s.config, s.journal.installed_version, s.journal.known_bad())
        trusted: dict[str, Any] = {
            "version": found.version,
            "key_ids": list(source.verified.key_ids),
            "changed": False,
        }
    if as_json:
        echo_json(trusted)
    else:
        click.echo(
            f"{found.version} is signed by {len(trusted['key_ids'])} release key(s) and fits this gateway"
        )
    return 0


@cli.command()
@click.option("--ack", multiple=True, metavar="ID", help="Forget a report that was delivered; repeatable.")
@config_option
@json_option
def outbox(ack: tuple[str, ...], config_file: Path | None, as_json: bool) -> int:
    """Show the reports that wait for the control plane, or forget delivered ones."""
    from ota_py.gateway.outbox import Outbox

    with session(config_file) as s:
        box = Outbox(s.journal)
        removed = box.acknowledge(list(ack))
        waiting = box.pending()
    if as_json:
        echo_json({"reports": waiting, "acknowledged": removed, "changed": bool(removed)})
        return 0
    for report in waiting:
        click.echo(
            f"{report['seq']:>6}  {report['at']}  {report['kind']:<10} {report['version']} {report['state']}"
        )
    click.echo(f"{len(waiting)} waiting" + (f", {removed} acknowledged" if ack else ""))
    return 0


def _conclude(result: dict[str, Any], as_json: bool) -> int:
    """Print a result; returns the exit status that belongs to it."""
    from ota_py.gateway.presenting import sentence

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
    from ota_py.errors import BrokenError, all_errors

    if result["outcome"] == "BROKEN":
        return BrokenError.exit_status
    if result["error"] is None:
        return 0
    if result["outcome"] == "ROLLED_BACK":
        return RolledBackError.exit_status
    codes = {cls.code: cls.exit_status for cls in all_errors()}
    return codes[result["error"]["code"]]


main = shared.main(cli)
