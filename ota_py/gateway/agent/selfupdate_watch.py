"""The agent's part in an upgrade of itself: it records that it came up, and restarts a supervisor that died."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from ota_py.errors import OtaError
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.upgrades import Stage, Upgrade, Upgrades
from ota_py.gateway.selfupdate.installation import own_build
from ota_py.gateway.system import lock
from ota_py.gateway.system.backoff import Backoff

# Between two starts of a supervisor that ended before the upgrade did.
RETRY_FIRST_SECONDS = 5.0
# Only an upgrade that waits for space is tried so rarely: interrupted attempts are limited.
RETRY_LIMIT_SECONDS = 3600.0

log = logging.getLogger("ota.agent")


class UpgradeWatch:
    """The watch over the upgrade that is under way.

    Args:
        lock_path: of the lock that the supervisor holds.
        supervise: starts the supervisor from the build of the given name.
    """

    def __init__(
        self,
        journal: Journal,
        lock_path: Path,
        supervise: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upgrades = Upgrades(journal)
        self._lock_path = lock_path
        self._supervise = supervise
        self._clock = clock
        self._own = own_build()
        self._backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_LIMIT_SECONDS)
        self._due_at = 0.0

    def step(self) -> None:
        """Watch the upgrade after each turn that went well: for a new agent, the first of these proves it."""
        upgrade = self._upgrades.open()
        if upgrade is None:
            self._backoff.succeeded()
            return
        if upgrade.state is Stage.SWITCHED and upgrade.name == self._own and not upgrade.proved_at:
            log.info("the new version came up name=%s", upgrade.name)
            self._upgrades.prove(upgrade)
        if self._clock() >= self._due_at and self._needs_supervisor(upgrade):
            self._due_at = self._clock() + self._backoff.failed()
            log.info("upgrade goes on name=%s stage=%s", upgrade.name, upgrade.state)
            try:
                self._supervise(upgrade.from_name)
            except OtaError as error:
                log.error("upgrade cannot go on reason=%s", error.message)

    def _needs_supervisor(self, upgrade: Upgrade) -> bool:
        return self._upgrades.is_due(upgrade) and not lock.is_held(self._lock_path)
