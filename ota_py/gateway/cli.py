"""`ota_client.py`: the gateway's command. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import click

import ota_py
from ota_py import cli as shared
from ota_py.gateway.commands import backups, queries, transactions

EPILOG = """\b
Exit status: 0 done or nothing to do, 2 usage, 3 configuration, 6 not found, 10 a carrier cannot be
reached, 20 not what was signed, 21 not for this gateway, 23 no space, 24 busy, 25 Docker, 26 backup,
27 not healthy, 28 out of time, 31 rolled back, 32 broken: a person is needed, 33 journal, 34 held
back for now.

\b
Examples:
  ota_client.py check
  ota_client.py update --version 1.2.0
  ota_client.py update --manifest /media/usb/manifest.json
  ota_client.py status --json
"""


class _Commands(click.Group):
    """The commands of `ota_client.py`; `run`, the agent's, is imported only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "run"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "run":
            return super().get_command(ctx, cmd_name)
        from ota_py.gateway.commands.run import run

        return run


@click.group(cls=_Commands, epilog=EPILOG)
@click.version_option(ota_py.__version__, prog_name="ota_client")
def command() -> None:
    """Update this gateway, look after it, and undo an update."""


for each in (
    queries.check,
    transactions.update,
    transactions.rollback,
    transactions.recover,
    transactions.accept_files,
    backups.backup,
    backups.list_backups,
    backups.restore,
    queries.health_check,
    queries.status,
    queries.verify,
    queries.outbox,
):
    command.add_command(each)

main = shared.main(command)
