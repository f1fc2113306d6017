"""`create-update`: sign and publish an update."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ota_py.architectures import ARCHITECTURES
from ota_py.cli import json_option
from ota_py.manager.console.options import passphrase_option, request_option
from ota_py.manager.context import CommandContext

if TYPE_CHECKING:
    from ota_py.manager.release.prepare import Prepared, UpdateRequest

FILE = click.Path(path_type=Path)


@click.command("create-update")
@click.option("--version", required=True, help="Semantic version, newer than every published one.")
@click.option("--description", default="", help="What the update brings, for people.")
@click.option("--images", metavar="JSON", default="{}", help="Compose service to image, as a JSON object.")
@click.option("--critical", is_flag=True, help="Mark the update as one not to be put off.")
@click.option("--compose", type=FILE, help="A whole new Compose file; all its images are pinned.")
@click.option("--file", "files", metavar="SRC:DEST", multiple=True, help="A file; DEST is on the gateway.")
@click.option(
    "--template", "templates", metavar="SRC:DEST", multiple=True, help="A file that gateways render (Jinja2)."
)
@click.option(
    "--agent",
    metavar="PYTHON/ARCH|FILE",
    multiple=True,
    help="Upgrade the gateway software too: built for such gateways, or taken from a wheelhouse.tar.",
)
@click.option(
    "--sbom",
    "sboms",
    metavar="[SERVICE=]FILE",
    multiple=True,
    help="A software bill of materials, SPDX or CycloneDX in JSON, signed with the update.",
)
@click.option("--min-version", metavar="VERSION", help="Oldest version that can be updated.")
@click.option("--max-version", metavar="VERSION", help="Newest version that can be updated.")
@click.option(
    "--architecture",
    "architectures",
    type=click.Choice(ARCHITECTURES),
    multiple=True,
    help="Only gateways of this architecture [default: those that all images have].",
)
@click.option("--hardware", multiple=True, help="Only gateways of this hardware.")
@click.option("--group", "groups", multiple=True, help="Only gateways of this group.")
@click.option("--health", metavar="FILE|JSON", help="Probes: a JSON list, or a file that holds one.")
@click.option("--settle-seconds", type=float, help="How long services must run without a restart.")
@click.option("--hooks", metavar="FILE|JSON", help="Commands around the steps: a JSON list, or a file of one.")
@click.option("--migrates", is_flag=True, help="Changes data so that the old version cannot read it.")
@click.option(
    "--on-rollback",
    type=click.Choice(["restore", "keep"]),
    default="restore",
    show_default=True,
    help="What a rollback does to the databases; keep: what was written since stays.",
)
@click.option("--timeout-minutes", type=float, help="From the first touch of a service to commit.")
@click.option("--allow-downgrade", is_flag=True, help="May replace a newer version.")
@click.option("--dry-run", is_flag=True, help="Check everything, show the manifest, change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask when there are warnings.")
@request_option
@passphrase_option
@json_option
@click.pass_obj
def command(context: CommandContext, /, *, passphrase_fd: int | None, **options: Any) -> None:
    """Sign an update, publish it, and register it as STAGED. No gateway installs it before a rollout.

    Where root.json asks for the signatures of several people, a signing request is written instead
    (--request): the others run `sign FILE`, and one runs `publish FILE`. No gateway can use it before.

    Tags are resolved to digests now: what is pushed under a tag later changes nothing. Options that can be
    given several times: --file, --template, --sbom, --agent, --architecture, --hardware, --group.

    \b
    Examples:
      ota_manager.py create-update --version 1.2.0 --description "Add humidity sensor support" \\
        --images '{"mqtt-bridge": "healthguard/mqtt-bridge:1.2.0"}' --critical
      ota_manager.py create-update --version 1.3.0 --compose docker-compose.yml \\
        --template bridge.conf.j2:config/bridge.conf --min-version 1.2.0
      ota_manager.py create-update --version 1.3.1 --images '{"api": "healthguard/api:1.3.1"}' \\
        --health '[{"type": "http", "url": "http://127.0.0.1:8080/health"}]' --dry-run
      ota_manager.py create-update --version 1.3.2 --agent 3.13/amd64 --agent 3.11/arm64
      ota_manager.py create-update --version 1.3.3 --images '{"api": "healthguard/api:1.3.3"}' \\
        --hooks '[{"at": "before-stop", "service": "api", "command": ["/bin/drain"]}]'
    """
    from datetime import UTC, datetime

    from ota_py.cli import echo_json
    from ota_py.manager.config.secrets import Passphrases
    from ota_py.manager.release.prepare import Destinations, prepare
    from ota_py.manager.release.release import Keys, create, released_json
    from ota_py.manager.signing.request_text import pass_on_lines

    as_json = options["as_json"]
    request = _request(context, options)
    places = Destinations(context.repository, context.control_plane, context.registry)
    prepared = prepare(request, places, datetime.now(UTC), _print_line)
    if options["dry_run"]:
        _warn(prepared, ask=False)
        echo_json(prepared.manifest.model_dump(mode="json"))
        return
    _warn(prepared, ask=not (options["yes"] or as_json))
    keys = Keys(context.config.keys, Passphrases(passphrase_fd))
    done = create(prepared, places, keys, options["request"], datetime.now(UTC), _print_line)
    if as_json:
        echo_json({**released_json(done), "warnings": prepared.warnings})
    elif done.file:
        _contents(prepared)
        for line in pass_on_lines(done.signing, done.file):
            click.echo(line)
    else:
        _contents(prepared)
        _staged(prepared)


def _request(context: CommandContext, options: dict[str, Any]) -> UpdateRequest:
    from ota_py.manager.console.update_options import (
        parse_compatibility,
        parse_data,
        parse_health,
        parse_hooks,
        parse_images,
    )
    from ota_py.manager.release.contents import parse_source
    from ota_py.manager.release.prepare import UpdateRequest
    from ota_py.manager.release.sboms import parse_sbom

    return UpdateRequest(
        fleet=context.config.fleet,
        version=options["version"],
        description=options["description"],
        critical=options["critical"],
        images=parse_images(options["images"]),
        compose=options["compose"],
        files=(
            *(parse_source(text) for text in options["files"]),
            *(parse_source(text, template=True) for text in options["templates"]),
        ),
        known_compose=context.config.defaults.compose,
        compatibility=parse_compatibility(
            min_version=options["min_version"],
            max_version=options["max_version"],
            architectures=list(options["architectures"]),
            hardware=list(options["hardware"]),
            groups=list(options["groups"]),
            allow_downgrade=options["allow_downgrade"],
        ),
        health=parse_health(options["health"], options["settle_seconds"]),
        hooks=tuple(parse_hooks(options["hooks"])),
        data=parse_data(migrates=options["migrates"], on_rollback=options["on_rollback"]),
        timeout_minutes=options["timeout_minutes"],
        agent=options["agent"],
        sboms=tuple(parse_sbom(text) for text in options["sboms"]),
    )


def _print_line(line: str) -> None:
    click.echo(line, err=True)


def _warn(prepared: Prepared, *, ask: bool) -> None:
    import sys

    for warning in prepared.warnings:
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        click.echo(warning, err=True)
    if prepared.warnings and ask and sys.stdin.isatty():
        click.confirm("Publish the update?", abort=True, err=True)


def _contents(prepared: Prepared) -> None:
    from ota_py.manager.signing.manifest_text import effect_lines

    manifest = prepared.manifest
    for service, image in prepared.images.items():
        size = f"{image.size / 1e6:.1f} MB"
        click.echo(f"  {service}: {image.reference} {size} ({', '.join(image.architectures)})")
    for file in manifest.all_files:
        click.echo(f"  {file.dest}: {file.length} bytes{', rendered on the gateway' if file.template else ''}")
    for line in effect_lines(manifest):
        click.echo(line)
    for sbom in manifest.sbom:
        click.echo(f"  {sbom.what}: {sbom.format}, {sbom.length} bytes")
    for wheelhouse in manifest.agent.wheelhouses if manifest.agent else []:
        click.echo(
            f"  {wheelhouse.what}: {wheelhouse.length / 1e6:.1f} MB, Python {wheelhouse.python}, "
            f"{wheelhouse.architecture}"
        )


def _staged(prepared: Prepared) -> None:
    manifest = prepared.manifest
    critical = " (critical)" if manifest.critical else ""
    click.echo(f"Update {manifest.version}{critical} is STAGED. Bring it to gateways with:")
    click.echo(f"  ota_manager.py rollout --version {manifest.version} --gateways ID,ID,...")
