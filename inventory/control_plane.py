#!/usr/bin/env python3
"""Ansible's dynamic inventory from the control plane that `ota.toml` (or $OTA_CONFIG) names.

Use it as `ansible-playbook -i inventory/control_plane.py rollout.yml -e version=1.2.0`.
"""

from __future__ import annotations

import click

from ota_py import cli
from ota_py.manager.context import CommandContext
from ota_py.manager.rollout.inventory import checked


@click.command()
@click.option("--list", "listing", is_flag=True, help="The whole inventory.")
@click.option("--host", help="Variables of one host: empty, since --list carries them all.")
def command(listing: bool, host: str | None) -> None:
    """Print the inventory, or the variables of one host, as JSON."""
    cli.echo_json(checked(CommandContext().control_plane.inventory()) if listing and not host else {})


if __name__ == "__main__":
    cli.main(command)()
