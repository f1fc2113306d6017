"""The supervisor of an upgrade of this software: a process of its own, run by the build that is to be replaced.

The supervisor needs nothing of the new build to go back, and it may be killed at any moment: each step is "make
it so", and the agent, or recovery at boot, finds the upgrade open in the journal and starts the supervisor again.
If neither does, the launcher goes back by itself.
"""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

import click

from ota_py import cli as shared
from ota_py.errors import BusyError, DeadlineError, NoSpaceError, OtaError
from ota_py.gateway.config import model
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.upgrades import Stage, Upgrade, Upgrades
from ota_py.gateway.selfupdate.installation import Installation
from ota_py.gateway.selfupdate.upgrade import BUILT_FACTOR, archive_path
from ota_py.gateway.system import failpoints, files, free_space, lock, process
from ota_py.gateway.system.log import log_to_stderr

ATTEMPTS_LIMIT = 5
POLL_SECONDS = 0.5
# A new agent may take so many times as long to come up as the check of its build took on this very machine.
PATIENCE = 4.0
RESTART_SECONDS = 180.0
# Below the directory of an upgrade: the wheels, unpacked, and the copy of the journal that is checked.
_WHEELS = "wheels"
_CHECK = "check"
SUPERSEDED = "another version was installed meanwhile"
NOT_COMMITTED = "its update was not committed"
# Errors that are no fault of the build: a build that the link does not lead to yet is tried again later.
_PASSING = (NoSpaceError, DeadlineError)
_SPACE_HINT = "free some space on this gateway; the upgrade is tried again by itself"

log = logging.getLogger("ota.upgrade")


class Supervisor:
    """The supervisor of the upgrade that is open in the journal; the caller holds the upgrade's lock."""

    def __init__(self, settings: GatewayConfig, journal: Journal, config_file: Path | None) -> None:
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
            now = self._upgrades.open()
            if now is None or now.state not in (Stage.FETCHED, Stage.BUILT):
                raise
            if isinstance(error, _PASSING):
                self._postpone(now, error)
                raise
            self._fail(now, error.message)

    def _postpone(self, upgrade: Upgrade, error: OtaError) -> None:
        """Free the upgrade's space, then record what it waits for; the agent starts the supervisor again."""
        if upgrade.state is Stage.FETCHED:
            self._installation.remove(upgrade.name)
        for name in (_WHEELS, _CHECK):
            files.remove_tree(self._config.upgrade_dir / name)
        self._upgrades.postpone(upgrade, error.message, counts=not isinstance(error, NoSpaceError))

    def _fail(self, upgrade: Upgrade, reason: str) -> None:
        """Give the build up; a supervisor killed before it recorded the switch may have led the link to it."""
        is_switched = upgrade.state is Stage.BUILT and self._installation.current == upgrade.name
        self._end(upgrade, Stage.RETURNING if is_switched else Stage.FAILED, reason)

    def _build(self, upgrade: Upgrade) -> None:
        """Build the new virtual environment, aside."""
        if not self._upgrades.is_committed(upgrade):
            return self._end(upgrade, Stage.CANCELLED, NOT_COMMITTED)
        self._check_attempts(upgrade)
        archive = archive_path(self._config, upgrade.name)
        if not self._installation.is_complete(upgrade.name):
            self._require_space(upgrade.name, archive)
        self._installation.build(upgrade.name, archive, self._config.upgrade_dir / _WHEELS)
        self._upgrades.advance(upgrade, Stage.BUILT)

    def _switch(self, upgrade: Upgrade) -> None:
        """Self-check the new build, begin its trial, then switch the link: so no start of it goes uncounted."""
        if self._installation.current not in (upgrade.name, upgrade.from_name):
            return self._end(upgrade, Stage.CANCELLED, SUPERSEDED)
        self._check_attempts(upgrade)
        patience = PATIENCE * self._judge(upgrade.name)
        seconds = max(self._config.agent.trial_seconds, patience)
        self._installation.begin_trial(upgrade.name, upgrade.from_name, seconds)
        self._installation.switch(upgrade.name)
        self._upgrades.advance(upgrade, Stage.SWITCHED)

    def _try_out(self, upgrade: Upgrade) -> None:
        """Restart the agent, and wait until the new one has recorded that it came up."""
        current, starts = self._installation.current, self._installation.starts
        if current == upgrade.from_name and starts == "0":
            self._upgrades.advance(upgrade, Stage.BUILT)
            raise NoSpaceError(f"no start of {upgrade.name} could be counted", hint=_SPACE_HINT)
        if current == upgrade.from_name:
            return self._end(upgrade, Stage.RETURNING, f"it was started {starts} times in vain")
        if current != upgrade.name:
            return self._end(upgrade, Stage.CANCELLED, SUPERSEDED)
        if upgrade.proved_at or not self._config.agent.restart_command:
            return self._end(upgrade, Stage.PROVED)
        if problem := self._too_many_attempts(upgrade) or self._restart_agent(starts) or self._await_proof(upgrade):
            self._end(upgrade, Stage.RETURNING, problem)

    def _restart_agent(self, starts: str) -> str:
        """Restart the agent, unless the new one was started already; returns why the restart failed."""
        try:
            if starts == "0":
                self._restart_once()
        except OtaError as error:
            return error.message
        return ""

    def _await_proof(self, upgrade: Upgrade) -> str:
        """Wait until the new agent proved itself, or the link was changed; returns why the build is given up."""
        seconds = self._installation.trial_seconds or self._config.agent.trial_seconds
        deadline = time.monotonic() + seconds
        while True:
            is_over = time.monotonic() >= deadline
            # Read after the clock: a proof that was recorded just in time counts.
            now = self._upgrades.open()
            if now is None or now.proved_at or self._installation.current != upgrade.name:
                return ""
            if is_over:
                break
            time.sleep(POLL_SECONDS)
        starts = self._installation.starts
        return f"the new agent completed no turn within {seconds:.0f} s; it was started {starts} times"

    def _return(self, upgrade: Upgrade) -> None:
        """Go back to the old build; the trial lasts until its agent runs: the launcher kills a new one that hangs."""
        if self._installation.current == upgrade.name:
            self._installation.switch(upgrade.from_name)
        self._restarted = False
        try:
            self._restart_once()
        except OtaError as error:
            if not self._too_many_attempts(upgrade):
                raise
            # The old version is in place all the same: the next start of the agent is of it.
            log.error("restart failed reason=%s", error.message)
        self._end(upgrade, Stage.RETURNED)

    def _end(self, upgrade: Upgrade, stage: Stage, reason: str = "") -> None:
        """Record an end, or that the upgrade goes back; after an end clean up."""
        log.info("upgrade name=%s stage=%s reason=%s", upgrade.name, stage, reason)
        if stage is Stage.RETURNING:
            self._upgrades.advance(upgrade, stage, reason)
            return
        # Before the end is recorded: an end that left the trial open would be taken back by the launcher.
        self._installation.end_trial()
        ended = self._upgrades.advance(upgrade, stage, reason)
        # What cannot be removed now is removed by the next upgrade; it changes no outcome.
        with contextlib.suppress(OtaError, OSError):
            files.remove_tree(self._config.upgrade_dir)
            if stage is Stage.PROVED:
                self._installation.prune(self._config.agent.keep_venvs, {ended.name, ended.from_name})
            else:
                self._installation.remove(ended.name)

    def _check_attempts(self, upgrade: Upgrade) -> None:
        if problem := self._too_many_attempts(upgrade):
            raise OtaError(problem)

    def _too_many_attempts(self, upgrade: Upgrade) -> str:
        if upgrade.attempts <= ATTEMPTS_LIMIT:
            return ""
        return f"{upgrade.attempts - 1} attempts were interrupted in the stage {upgrade.state}"

    def _require_space(self, name: str, archive: Path) -> None:
        """Refuse to build where that would leave other programs without space."""
        if archive.is_file():
            needed = archive.stat().st_size * BUILT_FACTOR
            free_space.require_space(self._installation.directory, needed, f"the gateway software {name}")

    def _judge(self, name: str) -> float:
        """Run the new build's self-check on a copy of the journal; returns how many seconds it took."""
        copy = self._config.upgrade_dir / _CHECK
        files.remove_tree(copy)
        files.make_directory(copy, 0o700)
        self._journal.copy_to(copy / self._config.journal_path.name)
        begun = time.monotonic()
        self._installation.check(name, self._config_file, copy)
        seconds = time.monotonic() - begun
        files.remove_tree(copy)
        return seconds

    def _restart_once(self) -> None:
        argv = self._config.agent.restart_command
        if self._restarted or not argv:
            return
        self._restarted = True
        with failpoints.around("upgrade.restart"):
            # The restart must end even if the supervisor dies: an agent that was only stopped would stay down.
            child = process.launch(argv)
            deadline = time.monotonic() + RESTART_SECONDS
            while (status := child.poll()) is None and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS / 5)
        if status != 0:
            raise OtaError(f"`{' '.join(argv)}` {f'exited {status}' if status else 'did not end'}")


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="The gateway's configuration.")
def command(config_file: Path | None) -> None:
    """Carry out the upgrade of the gateway software that is open in the journal."""
    settings = model.load(config_file)
    log_to_stderr()
    try:
        with lock.exclusive(settings.upgrade_lock_path), Journal(settings) as journal:
            Supervisor(settings, journal, config_file).run()
    except BusyError:
        log.info("another supervisor is at work already")


main = shared.main(command)
