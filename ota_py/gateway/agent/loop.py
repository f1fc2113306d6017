"""The loop of the agent: it polls for work, starts it as a process of its own, and delivers the reports.

The agent holds no part of a transaction. The engine runs in a child that goes on when the agent ends, and a
transaction whose owner died is found in the journal, whatever started it. So the agent may be killed,
upgraded or restarted at any moment.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from ota_py.contract.transactions import State
from ota_py.errors import CarrierError, InterruptedByOperatorError, OtaError
from ota_py.gateway.agent.assignments import Attempts
from ota_py.gateway.agent.freshness_watch import FreshnessWatch
from ota_py.gateway.agent.held import HeldUpdateWatch
from ota_py.gateway.agent.launcher import Child, Commands
from ota_py.gateway.agent.orphans import Orphans
from ota_py.gateway.agent.selfupdate_watch import UpgradeWatch
from ota_py.gateway.config.agent_settings import Settings
from ota_py.gateway.controlplane.api import Api
from ota_py.gateway.controlplane.polling import Polling
from ota_py.gateway.controlplane.status_report import StatusReporter
from ota_py.gateway.controlplane.uploader import Uploader
from ota_py.gateway.docker.daemon_restarts import DaemonWatch
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox

BUSY_TURN_SECONDS = 1.0  # while a transaction runs: the control plane sees each step
IDLE_TURN_SECONDS = 3.0  # else: how soon the reports of a push transaction are noticed
TROUBLE_TURN_SECONDS = 15.0

log = logging.getLogger("ota.agent")


class Agent:
    """The loop of one gateway. Built and run in one thread: SQLite wants that.

    Args:
        settings: the agent's part of the gateway's configuration.
        commands: starts the engine.
        announce: called with the version that runs, at the start and after each transaction.
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
        self._daemon = DaemonWatch()
        self._freshness = FreshnessWatch(self._journal, commands.check)
        self._upgrade = UpgradeWatch(self._journal, settings.upgrade_lock_path, commands.supervise)
        self._status = StatusReporter(commands.status, self._outbox)
        self._held_update = HeldUpdateWatch(settings.maintenance)
        self._polling: Polling | None = None
        self._uploader: Uploader | None = None
        if settings.api is not None:
            api = Api(settings.api.url, settings.gateway_id, settings.api.token_file, settings.api.ca_file)
            self._polling = Polling(api, settings.api.poll_seconds)
            self._uploader = Uploader(self._outbox, api, self._outbox.alarm, settings.state_dir)
        self._child: Child | None = None
        self._last_end: str | None = None

    def run(self) -> None:
        """Recover, then work until `stop` is set. A child under way is left alone: it does not need the agent."""
        self._announce(self._journal.installed_version)
        while not self._stop.is_set():
            if self._wake.wait(self.turn()) and not self._stop.is_set():
                self._wake.clear()
                if self._polling is not None:
                    self._polling.hinted()
        if self._child is not None:
            log.info("left alone child=%s pid=%d", self._child.name, self._child.pid)

    def once(self) -> int:
        """Recover, poll once, work, deliver; returns the status to exit with.

        Raises:
            ControlPlaneError: the poll failed.
            InterruptedByOperatorError: `stop` was set; a child under way goes on.
        """
        status = 0
        self._watch_transactions()
        if self._orphans.due():
            status = self._finish(self._commands.recover())
            self._watch_transactions()
        if status == 0 and self._polling is not None:
            self._poll(self._polling)
        if status == 0 and (child := self._work()):
            status = self._finish(child)
        if self._freshness.is_due(spread=False):
            self._finish(self._freshness.begin())
        self._status.step()
        return self._deliver_all() or status

    def turn(self) -> float:
        """Run one turn of the loop; returns how many seconds it may sleep until the next."""
        try:
            self._watch_child()
            self._watch_transactions()
            if self._uploader is not None:
                self._uploader.step()
            if self._child is None:
                self._find_work()
            if self._child is None:
                self._status.step()
            self._upgrade.step()
        except OtaError as error:
            # A full disk or a busy journal passes; the agent must be there when it does.
            log.error("turn failed code=%s reason=%s", error.code, error.message)
            return TROUBLE_TURN_SECONDS
        if self._child is not None or self._orphans.is_busy:
            return BUSY_TURN_SECONDS
        if self._polling is None:
            return IDLE_TURN_SECONDS
        return min(IDLE_TURN_SECONDS, max(0.05, self._polling.seconds_left()))

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
            self._attempts.record_exit(child.assignment, status)
        if self._freshness.ended(child):
            self._status.check_soon()

    def _watch_transactions(self) -> None:
        """Notice a transaction that ended, be it the agent's child, a push, or a person's."""
        last = self._orphans.inspect()
        self._held_update.observe(last)
        if last is None or last.is_open or last.id == self._last_end:
            return
        log.info("transaction ended version=%s state=%s reason=%s", last.version, last.state, last.reason)
        self._last_end = last.id
        if last.state is not State.FAILED:
            self._attempts.record_transaction(last.version, last.rollout)
        self._announce(self._journal.installed_version)
        self._status.check_soon()

    def _find_work(self) -> None:
        # A Docker daemon that was killed leaves services down when it comes back; see lost_services.py.
        if self._orphans.due() or (not self._orphans.is_busy and self._daemon.restarted()):
            self._start(self._commands.recover())
            return
        if self._polling is not None and self._polling.due():
            with contextlib.suppress(OtaError):  # logged, and tried again later
                self._poll(self._polling)
            self._watch_transactions()  # an answer takes its time, and a push may have begun meanwhile
        if child := self._work():
            self._start(child)
        elif not self._orphans.has_owner and self._freshness.is_due(spread=True):
            self._start(self._freshness.begin())

    def _work(self) -> Child | None:
        """Start the assigned update, or the held one if it may go on; None while there is nothing to do."""
        if self._orphans.has_owner:
            return None
        assignment = self._attempts.due()
        if assignment and not self._held_update.is_for(assignment):
            log.info("take version=%s rollout=%d", assignment.version, assignment.rollout)
            return self._commands.update(assignment)
        if self._held_update.withdrawn:
            log.info("what is held back is not assigned any more")
            return self._commands.end_held()
        if self._held_update.may_go_on():
            assigned = self._attempts.assigned
            return self._commands.resume_held(assigned if self._held_update.is_for(assigned) else None)
        return None

    def _finish(self, child: Child) -> int:
        """Wait for a child, and deliver its reports meanwhile."""
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

    def _poll(self, polling: Polling) -> None:
        held = self._held_update.transaction
        # A held update is assigned once the control plane knows of the hold.
        is_known = held is not None and not self._outbox.pending(1, held.id)
        assigned = polling.poll()
        self._attempts.record_answer(assigned)
        if is_known:
            self._held_update.record_answer(assigned)
        if polling.is_back and self._uploader is not None:
            self._uploader.retry_now()

    def _deliver_all(self) -> int:
        """Deliver the whole outbox; returns the exit status of CarrierError where reports stay behind, else 0."""
        if self._uploader is None:
            return 0
        while self._uploader.step():
            pass
        return CarrierError.exit_status if self._outbox.pending(1) else 0
