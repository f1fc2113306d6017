"""`verify`: check a published update as a gateway would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.context import CommandContext

if TYPE_CHECKING:
    from ota_py.manager.release.audit import Chain

FILE = click.Path(path_type=Path)


@click.command("verify")
@click.argument("version")
@click.option("--root", type=FILE, help="With --url: a root.json that you trust; no ota.toml is read.")
@click.option("--url", metavar="URL", help="The repository as gateways read it.")
@click.option("--insecure-registry", multiple=True, metavar="HOST:PORT", help="With --url: a registry without TLS.")
@json_option
@click.pass_obj
def command(
    context: CommandContext,
    /,
    *,
    version: str,
    root: Path | None,
    url: str | None,
    insecure_registry: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check the signature of a published update and the hash of each of its files, and show what it holds.

    With --root and --url anybody can check it from anywhere, as a gateway does that trusts this root.json,
    and is shown the whole chain of trust. Images are compared with their registry where it can be reached.

    \b
    Examples:
      ota_manager.py verify 1.2.0
      ota_manager.py verify 1.2.0 --root root.json --url http://updates.example.com/ota
      ota_manager.py verify 1.2.0 --json | jq .manifest.images
    """
    if root or url:
        _from_outside(version, root, url, insecure_registry, as_json=as_json)
        return
    from ota_py.manager.release.published import check_wheelhouse, published_file, published_manifest
    from ota_py.manager.signing.manifest_text import effect_lines

    verified = published_manifest(context.repository, version)
    manifest = verified.manifest
    for file in manifest.all_files:
        published_file(context.repository, file)
    for sbom in manifest.sbom:
        published_file(context.repository, sbom)
    software = manifest.agent.wheelhouses if manifest.agent else []
    for wheelhouse in software:
        check_wheelhouse(context.repository, wheelhouse)
    if as_json:
        echo_json({"manifest": manifest.model_dump(mode="json"), "key_ids": list(verified.key_ids)})
        return
    for service, image in manifest.images.items():
        click.echo(f"  {service}: {image.reference} {image.digest}")
    for file in manifest.all_files:
        click.echo(f"  {file.dest}: sha256:{file.sha256}")
    for sbom in manifest.sbom:
        click.echo(f"  {sbom.what}: {sbom.format} sha256:{sbom.sha256}")
    for line in effect_lines(manifest):
        click.echo(line)
    for wheelhouse in software:
        click.echo(f"  {wheelhouse.what}: Python {wheelhouse.python}, {wheelhouse.architecture}")
    keys = ", ".join(key[:16] for key in verified.key_ids)
    click.echo(f"Update {version} is what the release key {keys} signed.")


def _from_outside(
    version: str, root: Path | None, url: str | None, insecure: tuple[str, ...], *, as_json: bool
) -> None:
    from ota_py.errors import UsageError
    from ota_py.manager.registry.resolve import TagResolver
    from ota_py.manager.release.audit import follow

    if root is None or url is None:
        raise UsageError("--root and --url belong together", hint="give both, or none to use ota.toml")
    chain = follow(root, url, version, TagResolver(insecure=insecure))
    if as_json:
        echo_json(
            {
                "version": version,
                "key_ids": list(chain.verified.key_ids),
                "chain": [vars(link) for link in chain.links],
                "parts": [vars(part) for part in chain.parts],
                "manifest": chain.verified.manifest.model_dump(mode="json"),
            }
        )
    else:
        _show(chain, root)


def _show(chain: Chain, root: Path) -> None:
    from ota_py.manager.release.audit import CHECKED
    from ota_py.manager.signing.manifest_text import effect_lines

    click.echo(f"trusted: {root}")
    for link in chain.links:
        until = f", until {link.expires}" if link.expires else ""
        click.secho("  ok ", fg="green", nl=False)
        click.echo(f"{link.name}: {len(link.signers)} of {link.keys} keys signed, {link.threshold} must{until}")
        for key in link.signers:
            click.echo(f"       {key[:16]}")
    for part in chain.parts:
        is_checked = part.state == CHECKED
        click.secho("  ok " if is_checked else "  ?  ", fg="green" if is_checked else "yellow", nl=False)
        click.echo(f"{part.kind} {part.name} {part.digest}" + ("" if is_checked else f" ({part.state})"))
    for line in effect_lines(chain.verified.manifest):
        click.echo(line)
    click.echo(f"Update {chain.verified.manifest.version} is what the release keys signed.")
