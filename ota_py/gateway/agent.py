"""The agent: asks for work, starts it as a process of its own, and brings the reports home.

It holds no part of a transaction. The engine runs in a child that goes on when the agent ends, and a
transaction whose owner died is found in the journal, whoever started it. So the agent may be killed,
upgraded or restarted at any moment.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from ota_py.errors import BusyError, CarrierError, InterruptedByOperatorError, OtaError
from ota_py.gateway.api import Api
from ota_py.gateway.attempts import Attempts
from ota_py.gateway.children import Child, Commands
from ota_py.gateway.journal import Journal
from ota_py.gateway.orphans import Orphans
from ota_py.gateway.outbox import Outbox
from ota_py.gateway.scheduling import Backoff, jittered
from ota_py.gateway.settings import Settings
from ota_py.gateway.status_report import StatusReporter
from ota_py.gateway.uploader import Uploader

BUSY_TURN_SECONDS = 1.0  # while a transaction runs: the control plane sees each step
IDLE_TURN_SECONDS = 3.0  # else: how soon the reports of a push transaction are noticed
TROUBLE_TURN_SECONDS = 15.0
POLL_LIMIT_SECONDS = 900.0
POLL_GAP_SECONDS = 1.0  # however many hints come
# A hint reaches a whole batch at once: its polls are spread over this share of the poll interval.
HINT_SPREAD = 1 / 30

log = logging.getLogger("ota.agent")


class Agent:
    """The loop of one gateway. Built and run in one thread: SQLite wants that.

    Args:
        settings: the agent's part of the gateway's configuration.
        commands: starts the engine.
        announce: told the version that runs, at the start and after each transaction.
        wake: set by a hint, and together with `stop`.
        stop: set to end the loop.
    """

    def __init__(
        self,
        settings: Settings,
        commands: Commands,
        announce: Callable[[str], None],
        wake: threading.Event,
        stop: threading.Event,
    ) -> None:
        self._commands = commands
        self._announce = announce
        self._wake = wake
        self._stop = stop
        self._journal = Journal(settings)
        self._outbox = Outbox(self._journal)
        self._attempts = Attempts(self._journal)
        self._orphans = Orphans(self._journal, settings.lock_path)
        self._status = StatusReporter(commands.status, self._outbox)
        self._api: Api | None = None
        self._uploader: Uploader | None = None
        if settings.api is not None:
            self._api = Api(
                settings.api.url, settings.gateway_id, settings.api.token_file, settings.api.ca_file
            )
            self._uploader = Uploader(self._outbox, self._api, self._outbox.alarm, settings.state_dir)
        self._poll_seconds = settings.api.poll_seconds if settings.api else POLL_LIMIT_SECONDS
        self._poll_backoff = Backoff(self._poll_seconds, POLL_LIMIT_SECONDS)
        self._last_poll = -POLL_GAP_SECONDS
        self._next_poll = 0.0
        self._child: Child | None = None
        self._last_end: str | None = None

    def run(self) -> None:
        """Recover, then work until `stop` is set. A child under way is left alone: it owns itself."""
        self._announce(self._journal.installed_version)
        self._start(self._commands.recover())
        while not self._stop.is_set():
            if self._wake.wait(self.turn()) and not self._stop.is_set():
                self._wake.clear()
                self._hinted()
        if self._child is not None:
            log.info("left alone child=%s pid=%d", self._child.name, self._child.pid)

    def once(self) -> int:
        """Recover, ask once, do what is assigned, deliver; returns the status to exit with.

        Raises:
            ControlPlaneError: it could not be asked.
            InterruptedByOperatorError: `stop` was set; a child under way goes on.
        """
        status = self._finish(self._commands.recover())
        if status in (0, BusyError.exit_status) and self._api is not None:
            self._attempts.note(self._api.assignment())
            if assignment := self._attempts.due():
                status = self._finish(self._commands.update(assignment))
        self._status.step()
        return self._deliver_all() or status

    def turn(self) -> float:
        """One turn of the loop; returns how many seconds it may sleep until the next."""
        try:
            self._watch_child()
            self._watch_transactions()
            if self._uploader is not None:
                self._uploader.step()
            if self._child is None:
                self._find_work()
            if self._child is None:
                self._status.step()
        except OtaError as error:
            # A full disk or a busy journal passes; the agent must be there when it does.
            log.error("turn failed code=%s reason=%s", error.code, error.message)
            return TROUBLE_TURN_SECONDS
        if self._child is not None or self._orphans.is_open:
            return BUSY_TURN_SECONDS
        if self._api is None:
            return IDLE_TURN_SECONDS
        return min(IDLE_TURN_SECONDS, max(0.05, self._next_poll - time.monotonic()))

    # -- transactions ---------------------------------------------------------------------------------

    def _start(self, child: Child) -> None:
        log.info("started child=%s pid=%d", child.name, child.pid)
        self._child = child

    def _watch_child(self) -> None:
        child = self._child
        if child is None or (status := child.exit_status()) is None:
            return
        self._child = None
        log.info("ended child=%s exit_status=%d", child.name, status)
        if child.assignment is not None:
            self._attempts.ended(child.assignment, status)

    def _watch_transactions(self) -> None:
        """Notice what ended, whoever did it: the agent's child, a push, a person."""
        last = self._orphans.look()
        if last is None or last.is_open or last.id == self._last_end:
            return
        log.info("transaction ended version=%s state=%s reason=%s", last.version, last.state, last.reason)
        self._last_end = last.id
        self._announce(self._journal.installed_version)
        self._status.soon()

    def _find_work(self) -> None:
        if self._orphans.due():
            self._start(self._commands.recover())
            return
        if self._api is not None and time.monotonic() >= self._next_poll:
            self._poll(self._api)
        if not self._orphans.has_owner and (assignment := self._attempts.due()):
            log.info("take version=%s rollout=%d", assignment.version, assignment.rollout)
            self._start(self._commands.update(assignment))

    def _finish(self, child: Child) -> int:
        """Wait for a child, and deliver what it reports meanwhile."""
        self._start(child)
        while (status := child.exit_status()) is None:
            if self._stop.wait(BUSY_TURN_SECONDS / 4):
                raise InterruptedByOperatorError(
                    f"stopped; `{child.name}` goes on as process {child.pid}", hint="look with `status`"
                )
            if self._uploader is not None:
                self._uploader.step()
        self._watch_child()
        return status

    # -- the control plane ----------------------------------------------------------------------------

    def _poll(self, api: Api) -> None:
        self._last_poll = time.monotonic()
        try:
            assigned = api.assignment()
        except OtaError as error:
            delay = self._poll_backoff.failed()
            self._next_poll = time.monotonic() + delay
            log.warning("poll failed retry_in=%.0fs reason=%s hint=%s", delay, error.message, error.hint)
            return
        self._poll_backoff.succeeded()
        self._next_poll = time.monotonic() + jittered(self._poll_seconds)
        self._attempts.note(assigned)

    def _hinted(self) -> None:
        soon = time.monotonic() + random.random() * HINT_SPREAD * self._poll_seconds
        self._next_poll = max(min(self._next_poll, soon), self._last_poll + POLL_GAP_SECONDS)

    def _deliver_all(self) -> int:
        """Empty the outbox; returns the exit status of a carrier that does not take it, else 0."""
        if self._uploader is None:
            return 0
        while self._uploader.step():
            pass
        return CarrierError.exit_status if self._outbox.pending(1) else 0
