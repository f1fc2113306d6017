"""The gateway software in an update: fetched with the update, installed after its commit.

It is installed by a process of its own, see `ota_py.gateway.selfupdate.supervisor`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ota_py.errors import IncompatibleError, IntegrityError, KnownBadError
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.fetch.downloads import Download, DownloadCache, TargetStream
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.upgrades import Upgrades
from ota_py.gateway.selfupdate.installation import Installation, supervisor_argv
from ota_py.gateway.system import files, lock, process
from ota_py.gateway.system.free_space import Need
from ota_py.gateway.system.progress import Progress
from ota_py.manifest import GatewaySoftware, Manifest, Wheelhouse
from ota_py.trust.large_files import check_file

# Of a wheelhouse's size: its wheels unpacked beside it, and the virtual environment that is made from them.
BUILT_FACTOR = 6


def choose(
    manifest: Manifest, config: GatewayConfig, journal: Journal, progress: Progress, *, force: bool
) -> Wheelhouse | None:
    """The wheelhouse that this gateway takes from an update; None where there is no upgrade.

    Args:
        force: also a build that did not come up here before.

    Raises:
        IncompatibleError: the update has none for this gateway, or this software was not provisioned.
        KnownBadError: the update is nothing but a build that did not come up here.
    """
    if manifest.agent is None:
        return None
    current = Installation(config.agent.directory).current
    if current is None:
        raise IncompatibleError(
            f"update {manifest.version} upgrades the gateway software, which is not installed in "
            f"{config.agent.directory}",
            hint="provision this gateway, or correct [agent] directory",
        )
    found = _for_this_gateway(manifest.agent, config, manifest.version)
    if found.name == current:
        return None
    if Upgrades(journal).is_bad(found.name) and not force:
        problem = f"the gateway software {found.name} did not come up on this gateway before"
        if not (manifest.images or manifest.all_files):
            raise KnownBadError(
                problem,
                hint=f"to try it once more: ota_client.py update --version {manifest.version} --force",
            )
        progress.note(f"{problem}; it is left out")
        return None
    return found


def needs(wheelhouse: Wheelhouse | None, config: GatewayConfig) -> list[Need]:
    """The space that a wheelhouse takes to be fetched and installed."""
    if wheelhouse is None:
        return []
    built = Need(config.agent.directory, wheelhouse.length * BUILT_FACTOR, wheelhouse.what)
    return [built, Need(config.upgrade_dir, wheelhouse.length * 2, f"wheels of {wheelhouse.what}")]


def fetch(
    wheelhouse: Wheelhouse,
    manifest: Manifest,
    config: GatewayConfig,
    journal: Journal,
    transaction_id: str,
    stream: TargetStream | None,
) -> None:
    """Fetch what is missing of a wheelhouse, and record that its upgrade waits for the commit.

    Raises:
        IncompatibleError: the update's source has no gateway software.
        IntegrityError: the wheelhouse is not what was signed.
        CarrierError: it cannot be fetched; the bytes that arrived are kept.
        BusyError: another upgrade is being carried out.
    """
    if stream is None or manifest.agent is None:
        raise IncompatibleError(f"{wheelhouse.what} cannot be fetched from where this update comes")
    archive = archive_path(config, wheelhouse.name)
    try:
        check_file(archive, wheelhouse.sha256, wheelhouse.length, wheelhouse.what)
    except (IntegrityError, OSError):
        wanted = Download(wheelhouse.sha256, wheelhouse.length, wheelhouse.what)
        here = DownloadCache(archive.parent).fetch(
            wanted, lambda start: stream(wheelhouse.target, wheelhouse.sha256, start)
        )
        files.rename(here, archive)
    current = Installation(config.agent.directory).current
    Upgrades(journal).begin(wheelhouse.name, manifest.agent.version, current or "", transaction_id)


def is_wanted(manifest: Manifest, config: GatewayConfig) -> bool:
    """Whether an update would bring another build than the one in use."""
    if manifest.agent is None:
        return False
    return Installation(config.agent.directory).current not in {w.name for w in manifest.agent.wheelhouses}


def archive_path(config: GatewayConfig, name: str) -> Path:
    """The file of a fetched wheelhouse."""
    return config.upgrade_dir / f"{name}.tar"


def start_supervisor(config_file: Path | None, journal: Journal, config: GatewayConfig) -> None:
    """Start the supervisor of the upgrade under way, if there is one and none runs.

    The supervisor runs from the build before, which must do without the new one; and it outlives this process.
    """
    upgrades = Upgrades(journal)
    upgrade = upgrades.open()
    if upgrade is None or not upgrades.is_due(upgrade) or lock.is_held(config.upgrade_lock_path):
        return
    python = Installation(config.agent.directory).python(upgrade.from_name)
    process.launch(supervisor_argv(python, config_file), log=config.upgrade_log_path)


def _for_this_gateway(agent: GatewaySoftware, config: GatewayConfig, version: str) -> Wheelhouse:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = agent.wheelhouse_for(config.architecture, python)
    if found is None:
        kinds = ", ".join(f"{w.architecture} with Python {w.python}" for w in agent.wheelhouses)
        raise IncompatibleError(
            f"update {version} has gateway software for {kinds}; this gateway is {config.architecture} with "
            f"Python {python}",
            hint=f"create the update with --agent {python}/{config.architecture} as well",
        )
    return found
