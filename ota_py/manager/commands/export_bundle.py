"""`export-bundle`: an update in one file, for gateways without a network."""

from __future__ import annotations

from pathlib import Path

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.context import CommandContext


@click.command("export-bundle")
@click.option("--version", required=True, help="The published update.")
@click.option("--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH",
    help="For which gateways, such as linux/arm64; repeatable [default: all that the update is for].",
)
@json_option
@click.pass_obj
def command(
    context: CommandContext, /, *, version: str, output: Path, platforms: tuple[str, ...], as_json: bool
) -> None:
    """Write an update with its images, files and signed metadata into one file, for a stick.

    A gateway checks it as it checks the repository, and needs no network for it. Its metadata expires as the
    repository's does: `renew` first for the longest time.

    \b
    Examples:
      ota_manager.py export-bundle --version 1.2.0 --output /media/usb/update-1.2.0.bundle
      ota_manager.py export-bundle --version 1.2.0 --output pi.bundle --platform linux/arm64
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    from ota_py.manager.release.export_bundle import plan, write

    export = plan(context.repository, context.registry, version, platforms)
    console = Console(stderr=True, quiet=as_json)
    columns = (BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=export.size)
        size = write(export, output, lambda count: bar.advance(task, count))
    until = export.fresh_until.strftime("%Y-%m-%dT%H:%M:%SZ")
    if as_json:
        names = {"version": version, "file": str(output), "bytes": size}
        echo_json({**names, "platforms": export.platforms, "fresh_until": until})
        return
    click.echo(f"{output}: update {version}, {size / 1024**2:,.1f} MiB, for {', '.join(export.platforms)}")
    click.echo(f"Gateways take it until {until}; on one: ota-helper.sh update {output.name}")
