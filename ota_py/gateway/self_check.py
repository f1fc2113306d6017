"""The self-check of a new build before the switch to it: `python -m ota_py.gateway.self_check DIRECTORY`.

Called by the supervisor of the build before, with the new one's interpreter: name and arguments of this
module must stay as they are. It imports all of its modules, reads this gateway's configuration, brings a copy
of the journal up to date, and reads the status of this gateway. It changes nothing but that copy.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import click

import ota_py.gateway
from ota_py import cli as shared
from ota_py.cli import echo_json


def import_every_module() -> list[str]:
    """Import every module of the gateway, in all its rooms; returns their names.

    Raises:
        Exception: whatever the import of a module raises.
    """
    modules = pkgutil.walk_packages(ota_py.gateway.__path__, "ota_py.gateway.")
    return [importlib.import_module(module.name).__name__ for module in modules]


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="The gateway's configuration.")
def command(directory: Path, config_file: Path | None) -> None:
    """Check this build against the copy of the journal in DIRECTORY; exit status 0 if it is fit."""
    import_every_module()
    from ota_py.gateway.commands import inspection
    from ota_py.gateway.config import model
    from ota_py.gateway.journal.journal import Journal
    from ota_py.gateway.transaction.engine import Engine

    settings = model.load(config_file).model_copy(update={"state_dir": directory})
    with Journal(settings) as journal:
        echo_json(inspection.status(settings, journal, Engine(settings, journal)))


main = shared.main(command)

if __name__ == "__main__":
    main()
