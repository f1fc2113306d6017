"""The lab's command line."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

import click

from lab.config import LabConfig
from lab.errors import LabError

EXAMPLES = """\b
Examples:
  lab/lab up                          three gateways, running version 1.0.0
  lab/lab up --gateways 10
  lab/lab status
  lab/lab env | jq -r .registry.address
  lab/lab publish-images              every version of the story, good and bad
  lab/lab ssh boston_001              a shell; or: lab/lab ssh boston_001 docker ps
  lab/lab logs mqtt
  lab/lab reset boston_001            as on its first day
  OTA_LAB_NAME=tests OTA_LAB_SUBNET=172.30.78.0/24 lab/lab up    a second lab beside it
  lab/lab down
"""


@click.group(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Run a real fleet of edge gateways on this machine.

    Registry, S3, MQTT broker and gateways are containers on a network of their own. Set
    OTA_LAB_NAME and OTA_LAB_SUBNET for another lab beside this one, OTA_LAB_CACHE for
    where builds are kept, OTA_LAB_BASE to build on an existing Debian trixie image.
    """


@cli.command()
@click.option("--gateways", type=int, help="How many gateways [default: as before, or 3].")
def up(gateways: int | None) -> None:
    """Start the lab, or what is missing of it. Safe to run again at any time."""
    from lab import fleet

    fleet.up(LabConfig.from_environment(), gateways)


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Also remove cached images and builds.")
def down(everything: bool) -> None:
    """Remove everything that the lab started, with its data and keys."""
    from lab import fleet

    for line in fleet.down(LabConfig.from_environment(), everything=everything):
        click.echo(line)


@cli.command()
@click.argument("gateways", nargs=-1)
def reset(gateways: tuple[str, ...]) -> None:
    """Make gateways anew, with version 1.0.0 and fresh data; all of them if none is named."""
    from lab import fleet

    fleet.reset(LabConfig.from_environment(), list(gateways))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show what runs, and which versions run on the gateways."""
    from lab import engine, report, state

    config = LabConfig.from_environment()
    state.load_running(config)
    found = report.status(config, engine.require())
    click.echo(json.dumps(found, indent=2) if as_json else _as_text(found))


def _as_text(found: dict[str, Any]) -> str:
    lines = [f"lab {found['name']}"]
    for role, item in found["services"].items():
        lines.append(f"  {role:<12} {item['address']:<22} {item['state']}")
    for gateway, item in found["gateways"].items():
        lines.append(f"  {gateway:<12} {item['address']:<22} {item['state']}")
        for service in item["services"]:
            image = service["image"].rpartition("/")[2]
            lines.append(f"    {service['service']:<14} {image:<22.48} {service['status']}")
    lines += ["log in", *(f"  {what:<12} {how}" for what, how in found["log in"].items())]
    return "\n".join(lines)


@cli.command()
def env() -> None:
    """Print as JSON what other programs need: addresses, keys, users, gateways."""
    from lab import report, state

    config = LabConfig.from_environment()
    click.echo(json.dumps(report.environment(config, state.load_running(config)), indent=2))


@cli.command()
@click.argument("name")
@click.option("--tail", type=int, default=200, show_default=True, help="How many lines.")
def logs(name: str, tail: int) -> None:
    """Show the log of a server (registry, s3, cdn, mqtt) or of a gateway."""
    from lab import containers, engine

    config = LabConfig.from_environment()
    container = containers.find(config, engine.require(), name)
    if container is None:
        raise LabError(f"lab {config.name!r} has no container {name!r}; see: lab/lab status")
    sys.stdout.write(container.logs(tail=tail).decode(errors="replace"))


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("gateway")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(gateway: str, command: tuple[str, ...]) -> NoReturn:
    """Open a shell on a gateway, or run a command there."""
    from lab import report, state

    config = LabConfig.from_environment()
    known = state.load_running(config)["gateways"]
    if gateway not in known:
        raise LabError(f"lab {config.name!r} has no gateway {gateway!r}; there are: {', '.join(known)}")
    argv = ["ssh", "-i", str(report.ssh_key(config)), "-o", "IdentitiesOnly=yes"]
    argv += ["-o", f"UserKnownHostsFile={report.known_hosts(config)}", "-o", "StrictHostKeyChecking=yes"]
    os.execvp("ssh", [*argv, f"root@{config.gateway_address(gateway)}", *command])


@cli.command("publish-images")
def publish_images() -> None:
    """Push every version of the gateways' services, the bad ones of mqtt-bridge included."""
    from lab import engine, images, state

    config = LabConfig.from_environment()
    state.load_running(config)
    factory = images.factory(config, engine.require(), lambda text: click.echo(text, err=True))
    for name, reference in images.publish_all(factory).items():
        click.echo(f"{name:<22} {reference}")


def main() -> None:
    """Run the command; print an error as one message, not as a traceback."""
    try:
        cli(prog_name="lab/lab")
    except LabError as error:
        click.echo(f"lab: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        # By name: importing the engine's errors would slow every command down.
        if type(error).__module__ != "docker.errors":
            raise
        click.echo(f"lab: the Docker engine refused: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("lab: interrupted; run the same command again to go on", err=True)
        sys.exit(130)
