"""Commands that change no service: check, status, health-check, verify, outbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.errors import HealthError, UsageError
from ota_py.gateway.commands.session import choose, config_option, session


@click.command()
@config_option
@json_option
def check(config_file: Path | None, as_json: bool) -> int:
    """Look for newer updates in the repository, and for what the control plane assigned."""
    from ota_py.gateway.commands import inspection
    from ota_py.gateway.fetch import sources

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


@click.command()
@config_option
@json_option
def status(config_file: Path | None, as_json: bool) -> int:
    """Show what runs, the last transaction, and versions that are known to be bad."""
    from ota_py.gateway.commands import inspection
    from ota_py.gateway.commands.output import table

    with session(config_file) as s:
        found = inspection.status(s.config, s.journal, s.engine)
    if as_json:
        echo_json(found)
        return 0
    click.echo(f"gateway: {found['gateway']} ({found['fleet']})\nversion: {found['version']}")
    click.echo(f"agent:   {found['agent_version']}{_upgrade(found['upgrade'])}")
    last = found["transaction"]
    if last:
        reason = f" ({last['reason']})" if last["reason"] else ""
        click.echo(f"last:    {last['from_version']} -> {last['version']}: {last['state']}{reason}")
    if held := found["held"]:
        click.echo(f"held:    {held['version']} since {held['since']}: {held['reason']}")
    if found["freshness_problem"]:
        click.echo(f"stale:   new updates are refused, what runs is kept: {found['freshness_problem']}")
    if found["files_problem"]:
        click.echo(f"files:   {found['files_problem']}")
    if found["next_window"]:
        click.echo(f"window:  the next one opens at {found['next_window']}")
    for bad, reason in found["known_bad"].items():
        click.echo(f"bad:     {bad}: {reason}")
    rows = [[n, v["state"], v["health"], v["image"], v["digest"]] for n, v in found["services"].items()]
    click.echo("\n" + (found["engine_error"] or table(["SERVICE", "STATE", "HEALTH", "IMAGE", "DIGEST"], rows)))
    return 0


def _upgrade(last: dict[str, Any] | None) -> str:
    """The last upgrade of this software, as text; empty where it came up."""
    if last is None or last["state"] == "PROVED":
        return ""
    reason = f" ({last['reason']})" if last["reason"] else ""
    return f"; upgrade to {last['name']}: {last['state']}{reason}"


@click.command(name="health-check")
@config_option
@json_option
def health_check(config_file: Path | None, as_json: bool) -> int:
    """Check every service and probe as they are now; exit status 27 if something is not well."""
    from ota_py.gateway.commands import inspection

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


@click.command()
@click.option("--version", help="A version in the repository.")
@click.option("--manifest", type=click.Path(path_type=Path), help="A manifest file with FILE.sig beside it.")
@click.option("--bundle", type=click.Path(path_type=Path), help="A bundle; all of it is read.")
@config_option
@json_option
def verify(
    version: str | None,
    manifest: Path | None,
    bundle: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Check signature, files and fit of an update without beginning it."""
    from ota_py.gateway.fetch import compatibility

    if sum(map(bool, (version, manifest, bundle))) != 1:
        raise UsageError("verify needs --version, --manifest or --bundle", hint="give one of them")
    with session(config_file) as s:
        source, _ = choose(s, version, manifest, bundle, None)
        assert source is not None
        found = source.verified.manifest
        compatibility.check(found, s.config, s.journal.installed_version, s.journal.known_bad())
        for file in found.all_files:
            source.fetch(file)
        if source.bundle:
            source.bundle.check_blobs()
            source.bundle.close()
        trusted: dict[str, Any] = {
            "version": found.version,
            "key_ids": list(source.verified.key_ids),
            "digests": {service: image.digest for service, image in found.images.items()},
            "changed": False,
        }
    if as_json:
        echo_json(trusted)
    else:
        click.echo(f"{found.version} is signed by {len(trusted['key_ids'])} release key(s) and fits this gateway")
    return 0


@click.command()
@click.option("--ack", multiple=True, metavar="ID", help="Forget a report that was delivered; repeatable.")
@config_option
@json_option
def outbox(ack: tuple[str, ...], config_file: Path | None, as_json: bool) -> int:
    """Show the reports that wait for the control plane, or forget delivered ones."""
    from ota_py.gateway.journal.outbox import Outbox

    with session(config_file) as s:
        box = Outbox(s.journal)
        removed = box.acknowledge(list(ack))
        waiting = box.pending()
    if as_json:
        echo_json({"reports": waiting, "acknowledged": removed, "changed": bool(removed)})
        return 0
    for report in waiting:
        click.echo(f"{report['seq']:>6}  {report['at']}  {report['kind']:<10} {report['version']} {report['state']}")
    click.echo(f"{len(waiting)} waiting" + (f", {removed} acknowledged" if ack else ""))
    return 0
