"""`verify`: check a published update as a gateway would."""

from __future__ import annotations

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.parts import Parts


@click.command("verify")
@click.argument("version")
@json_option
@click.pass_obj
def command(parts: Parts, /, *, version: str, as_json: bool) -> None:
    """Check the signature of a published update and the hash of each of its files, and show what it holds.

    \b
    Examples:
      ota_manager.py verify 1.2.0
      ota_manager.py verify 1.2.0 --json | jq .manifest.images
    """
    from ota_py.manager.data_lines import data_lines
    from ota_py.manager.published import check_wheelhouse, published_file, published_manifest

    verified = published_manifest(parts.repository, version)
    manifest = verified.manifest
    for file in manifest.all_files:
        published_file(parts.repository, file)
    software = manifest.agent.wheelhouses if manifest.agent else []
    for wheelhouse in software:
        check_wheelhouse(parts.repository, wheelhouse)
    if as_json:
        echo_json({"manifest": manifest.model_dump(mode="json"), "key_ids": list(verified.key_ids)})
        return
    for service, image in manifest.images.items():
        click.echo(f"  {service}: {image.reference} {image.digest}")
    for file in manifest.all_files:
        click.echo(f"  {file.dest}: sha256:{file.sha256}")
    for line in data_lines(manifest.data):
        click.echo(f"  {line}")
    for wheelhouse in software:
        click.echo(f"  {wheelhouse.what}: Python {wheelhouse.python}, {wheelhouse.architecture}")
    keys = ", ".join(key[:16] for key in verified.key_ids)
    click.echo(f"Update {version} is what the release key {keys} signed.")
