"""Carries out an upgrade of this software: a process of its own, run by the build that is to be replaced.

It needs nothing of the new build to go back, and it may be killed at any moment: each step is "make it so",
and whoever finds the upgrade open in the journal starts it again (the agent, or recovery at boot). Should
nobody be there to do that, the launcher goes back by itself.
"""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

import click

from ota_py import cli as shared
from ota_py.errors import BusyError, OtaError
from ota_py.gateway import config, files, lock, points, process
from ota_py.gateway.agent_cli import log_to_stderr
from ota_py.gateway.config import Config
from ota_py.gateway.installation import Installation
from ota_py.gateway.journal import Journal
from ota_py.gateway.upgrade import archive_path
from ota_py.gateway.upgrades import Stage, Upgrade, Upgrades

ATTEMPTS_LIMIT = 5
LOOK_SECONDS = 0.5
RESTART_SECONDS = 180.0
SUPERSEDED = "another version was installed meanwhile"
NOT_COMMITTED = "its update was not committed"

log = logging.getLogger("ota.upgrade")


class Supervisor:
    """Works on the upgrade that the journal says is under way; the caller holds the upgrade's lock."""

    def __init__(self, settings: Config, journal: Journal, config_file: Path | None) -> None:
        self._config = settings
        self._config_file = config_file
        self._journal = journal
        self._upgrades = Upgrades(journal)
        self._installation = Installation(settings.agent.directory)
        self._restarted = False

    def run(self) -> None:
        """Bring the upgrade to its end."""
        upgrade = self._upgrades.open()
        if upgrade is None or not self._upgrades.is_due(upgrade):
            return
        upgrade = self._upgrades.count_attempt(upgrade)
        while upgrade is not None:
            log.info("upgrade name=%s stage=%s attempt=%d", upgrade.name, upgrade.state, upgrade.attempts)
            self._step(upgrade)
            upgrade = self._upgrades.open()

    def _step(self, upgrade: Upgrade) -> None:
        steps = {
            Stage.FETCHED: self._build,
            Stage.BUILT: self._switch,
            Stage.SWITCHED: self._try_out,
            Stage.RETURNING: self._return,
        }
        try:
            steps[upgrade.state](upgrade)
        except OtaError as error:
            failed = {Stage.SWITCHED: Stage.RETURNING}.get(upgrade.state, Stage.FAILED)
            if upgrade.state is Stage.RETURNING:
                raise
            self._end(upgrade, failed, error.message)

    def _build(self, upgrade: Upgrade) -> None:
        """The new virtual environment, aside; it judges itself on a copy of the journal."""
        if not self._upgrades.is_committed(upgrade):
            return self._end(upgrade, Stage.CANCELLED, NOT_COMMITTED)
        self._check_attempts(upgrade)
        directory = self._config.upgrade_dir
        archive = archive_path(self._config, upgrade.name)
        self._installation.build(upgrade.name, archive, directory / "wheels")
        copy = directory / "check"
        files.remove_tree(copy)
        files.make_directory(copy, 0o700)
        self._journal.copy_to(copy / self._config.journal_path.name)
        self._installation.check(upgrade.name, self._config_file, copy)
        files.remove_tree(copy)
        self._upgrades.advance(upgrade, Stage.BUILT)

    def _switch(self, upgrade: Upgrade) -> None:
        """The launchers are told first, so that no start of the new build goes uncounted."""
        if self._installation.current not in (upgrade.name, upgrade.from_name):
            return self._end(upgrade, Stage.CANCELLED, SUPERSEDED)
        self._check_attempts(upgrade)
        trial_seconds = self._config.agent.trial_seconds
        self._installation.begin_trial(upgrade.name, upgrade.from_name, trial_seconds)
        self._installation.switch(upgrade.name)
        self._upgrades.advance(upgrade, Stage.SWITCHED)

    def _try_out(self, upgrade: Upgrade) -> None:
        """Restart the agent, and wait for the new one's own word."""
        current = self._installation.current
        if upgrade.proved_at or (current == upgrade.name and not self._config.agent.restart_command):
            return self._end(upgrade, Stage.PROVED)
        if current == upgrade.from_name:
            self._end(upgrade, Stage.RETURNING, f"it was started {self._installation.starts} times in vain")
        elif current != upgrade.name:
            self._end(upgrade, Stage.CANCELLED, SUPERSEDED)
        else:
            self._check_attempts(upgrade)
            # Once the launcher has started it, the old agent is gone already.
            if self._installation.starts == "0":
                self._restart_once()
            self._wait(upgrade)

    def _wait(self, upgrade: Upgrade) -> None:
        deadline = time.monotonic() + self._config.agent.trial_seconds
        while time.monotonic() < deadline:
            now = self._upgrades.open()
            if now is None or now.proved_at or self._installation.current != upgrade.name:
                return
            time.sleep(LOOK_SECONDS)
        seconds, starts = self._config.agent.trial_seconds, self._installation.starts
        raise OtaError(
            f"the new agent completed no turn within {seconds:.0f} s; it was started {starts} times"
        )

    def _return(self, upgrade: Upgrade) -> None:
        if self._installation.current == upgrade.name:
            self._installation.switch(upgrade.from_name)
        self._installation.end_trial()
        self._restarted = False
        try:
            self._restart_once()
        except OtaError as error:
            # The old version is in place all the same: the next start, by whomever, is of it.
            log.error("restart failed reason=%s", error.message)
        self._end(upgrade, Stage.RETURNED)

    def _end(self, upgrade: Upgrade, stage: Stage, reason: str = "") -> None:
        """Write down an end, or the way back; then tidy up."""
        log.info("upgrade name=%s stage=%s reason=%s", upgrade.name, stage, reason)
        if stage is Stage.RETURNING:
            self._upgrades.advance(upgrade, stage, reason)
            return
        # Before the journal's word: an end that left the trial open would be taken back by the launcher.
        self._installation.end_trial()
        ended = self._upgrades.advance(upgrade, stage, reason)
        # What cannot be tidied now is tidied by the next upgrade; it changes no outcome.
        with contextlib.suppress(OtaError, OSError):
            files.remove_tree(self._config.upgrade_dir)
            if stage is Stage.PROVED:
                self._installation.prune(self._config.agent.keep_venvs, {ended.name, ended.from_name})
            else:
                self._installation.remove(ended.name)

    def _check_attempts(self, upgrade: Upgrade) -> None:
        if upgrade.attempts > ATTEMPTS_LIMIT:
            raise OtaError(f"{upgrade.attempts - 1} attempts were interrupted in the stage {upgrade.state}")

    def _restart_once(self) -> None:
        argv = self._config.agent.restart_command
        if self._restarted or not argv:
            return
        self._restarted = True
        with points.around("upgrade.restart"):
            # It must come to its end even if we do not: an agent that was only stopped would never come back.
            child = process.launch(argv)
            deadline = time.monotonic() + RESTART_SECONDS
            while (status := child.poll()) is None and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS / 5)
        if status != 0:
            raise OtaError(f"`{' '.join(argv)}` {f'exited {status}' if status else 'did not end'}")


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="The gateway's configuration.")
def command(config_file: Path | None) -> None:
    """Carry out the upgrade of the gateway software that the journal says is under way."""
    settings = config.load(config_file)
    log_to_stderr()
    try:
        with lock.exclusive(settings.upgrade_lock_path), Journal(settings) as journal:
            Supervisor(settings, journal, config_file).run()
    except BusyError:
        log.info("somebody is at it already")


main = shared.main(command)

if __name__ == "__main__":
    main()
