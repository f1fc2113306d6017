"""`ota_manager.py`: the operator's command. Each command is imported only when it is used."""

from __future__ import annotations

from importlib import import_module

import click

from ota_py import __version__
from ota_py import cli as boundary
from ota_py.manager.config.secrets import hidden_passphrases
from ota_py.manager.context import CommandContext

# What `--help` shows; the commands' own help has the rest.
COMMANDS = {
    "init": "Set up keys, repository, control plane and ota.toml.",
    "serve": "Run the control plane.",
    "create-update": "Sign and publish an update.",
    "list-updates": "List the updates.",
    "verify": "Check a published update as a gateway would.",
    "export-bundle": "Write an update into one file, for gateways without a network.",
    "gateways": "List and add gateways.",
    "tokens": "List, make and revoke the API's tokens.",
    "withdraw": "Take an update out of use.",
    "keys": "Make keys, show who may sign what, and change it.",
    "sign": "Add a signature to a file that people pass on.",
    "publish": "Publish what several people signed.",
    "renew": "Sign the repository's freshness anew.",
    "rollout": "Bring an update to gateways, in batches.",
    "status": "Show rollouts and what became of them.",
}


class LazyGroup(click.Group):
    """A group whose commands are modules, imported on use: help stays fast, and needs no Ansible or boto3."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"ota_py.manager.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ota_manager.py")
@click.option(
    "--config",
    metavar="FILE",
    help="The configuration [default: $OTA_CONFIG, or ota.toml in this directory].",
)
@click.pass_context
def command(ctx: click.Context, config: str | None) -> None:
    """Create signed updates and roll them out to a fleet of gateways.

    \b
    Examples:
      ota_manager.py init --fleet healthguard --store file:repository \\
        --public-url http://updates.example.com/ota
      ota_manager.py create-update --version 1.2.0 --description "Add humidity sensor support" \\
        --images '{"mqtt-bridge": "healthguard/mqtt-bridge:1.2.0"}' --critical
      ota_manager.py rollout --version 1.2.0 --gateways "boston_001,boston_002" --percentage 50 --stagger 5

    Exit statuses are listed in docs/reference/exit-status.md.
    """
    ctx.with_resource(hidden_passphrases())
    ctx.obj = CommandContext(config)


main = boundary.main(command)
