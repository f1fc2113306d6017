"""The rollback: the gateway ends entirely on the old version, and healthy, or an alarm calls a person.

It needs no network and no new disk space. Its parts are recorded in the journal, so that a restart goes on
where it was; the tries are counted there, so that no crash makes it endless.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict, replace

from ota_py.contract.reports import EndDetails
from ota_py.contract.transactions import State
from ota_py.errors import (
    BackupError,
    BrokenError,
    InterruptedByOperatorError,
    NotFoundError,
    OtaError,
    UpdateFailedError,
)
from ota_py.gateway.backup.backups import Backups
from ota_py.gateway.backup.database_users import users_of, with_dependents
from ota_py.gateway.backup.index import Backup
from ota_py.gateway.config.model import DatabaseConfig
from ota_py.gateway.docker.project import Project
from ota_py.gateway.health import gate
from ota_py.gateway.journal.plan import TransactionPlan
from ota_py.gateway.journal.transaction import ATTEMPTS_MAX, ROLLBACK, Transaction
from ota_py.gateway.policy import baseline
from ota_py.gateway.policy.rules import GatewayDirectories
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.transaction import diagnosis
from ota_py.gateway.transaction.cleanup import clean_up
from ota_py.gateway.transaction.context import TransactionContext
from ota_py.gateway.transaction.results import seconds_between
from ota_py.names import parse_version

PAUSE_SECONDS = 2.0
START_SECONDS = 600.0
INTERRUPTED = InterruptedByOperatorError.code


class RollbackSteps:
    """The steps of a rollback: they restore the transaction's backup."""

    def __init__(self, context: TransactionContext) -> None:
        self._context = context
        self._config = context.config
        self._journal = context.journal
        self._compose = context.compose

    @property
    def _backups(self) -> Backups:
        return self._context.backups

    def run(self, transaction: Transaction, reason: str, error: OtaError | None = None) -> Transaction:
        """Roll the gateway back; returns the transaction as ROLLED_BACK or BROKEN. Raises no OtaError.

        Args:
            reason: why, for people; error: the failure behind it, if any.
        """
        limit = self._config.timeout_minutes * 60
        if transaction.state is not State.ROLLING_BACK:
            down = Clock.started(limit) if transaction.kind == ROLLBACK else transaction.clock
            transaction = self._journal.advance(
                transaction, State.ROLLING_BACK, reason=reason, error=error.as_dict() if error else None
            )
            transaction = self._journal.note(transaction, clock=Clock.started(limit), down_clock=asdict(down))
        begun = time.monotonic()
        self._context.progress.step(State.ROLLING_BACK)
        last: OtaError = UpdateFailedError(f"{ATTEMPTS_MAX} tries were interrupted")
        while transaction.attempts < ATTEMPTS_MAX:
            try:
                # A try without Docker would be none: the daemon may be away for long, and come back.
                self._compose.wait_for_daemon(transaction.clock.left())
            except OtaError as problem:
                last = problem
                break
            transaction = self._journal.count_attempt(transaction, Clock.started(limit))
            try:
                transaction = self._context.hooks.run_best_effort("before-rollback", transaction)
                self._restore(transaction)
                transaction = self._context.hooks.run_best_effort("after-rollback", transaction)
                self._context.progress.done(State.ROLLING_BACK, time.monotonic() - begun)
                return self._succeeded(transaction)
            except OtaError as problem:
                last = problem
                if not self._has_backup(transaction):
                    break  # a damaged backup stays damaged at the next try
                self._context.progress.note(f"rollback, try {transaction.attempts}: {problem.message}")
                time.sleep(PAUSE_SECONDS)
        return self._broken(transaction, last)

    def _has_backup(self, transaction: Transaction) -> bool:
        """Whether the backup is whole; True also where that cannot be checked now."""
        try:
            self._backups.load(TransactionPlan.of(transaction.plan).backup)
        except (BackupError, NotFoundError):
            return False
        except OtaError:
            pass  # it cannot be checked now
        return True

    def _restore(self, transaction: Transaction) -> None:
        plan = TransactionPlan.of(transaction.plan)
        backup = self._backups.load(plan.backup)
        if backup.project:
            self._compose.use_name(backup.project)
        self._compose.clean_up([*plan.change.changed, *plan.change.removed])
        with self._journal.part(transaction, "rollback.files") as needed:
            if needed:
                self._compose.remove(plan.change.added)
                self._backups.restore_files(backup, plan.obsolete)
        self._compose.forget()
        project = self._compose.present
        with self._journal.part(transaction, "rollback.images") as needed:
            if needed:
                self._restore_images(backup)
        self._compose.images_by_id = self._nameless(backup, project)
        swapped = [name for name in self._to_swap(plan) if name in project.services]
        with self._journal.part(transaction, "rollback.databases") as needed:
            if needed and self._new_version_ran(transaction) and not plan.keep_databases:
                self._restore_databases(backup, project, swapped, transaction.clock)
        with self._journal.part(transaction, "rollback.services") as needed:
            if needed:
                self._start(transaction, backup, project, swapped)
            else:
                self._start_again(backup, project, swapped, transaction.clock)
        self._wait_for_health(backup, project, plan, swapped, transaction.clock)

    def _to_swap(self, plan: TransactionPlan) -> list[str]:
        return sorted({*plan.change.changed, *plan.change.removed} - set(plan.change.added))

    def _restore_images(self, backup: Backup) -> None:
        for image in backup.images.values():
            self._context.images.restore(image.reference, image.image_id)

    def _nameless(self, backup: Backup, project: Project) -> dict[str, str]:
        """Services whose image is here, but not under the digest by which the Compose file names it.

        A prune takes such a name where the image has another one; it cannot be given back by hand.
        """
        return {
            service: image.image_id
            for service, image in backup.images.items()
            if service in project.services and self._context.images.id_of(image.reference) != image.image_id
        }

    def _new_version_ran(self, transaction: Transaction) -> bool:
        """Whether a service of the new version was started: if not, containers and databases are as they were."""
        begun = {step.name for step in self._journal.steps(transaction.id)}
        return transaction.kind == ROLLBACK or State.STARTED in begun

    def _restore_databases(self, backup: Backup, project: Project, swapped: Collection[str], clock: Clock) -> None:
        """Restore the databases, with every service stopped that may write there or is still the new version."""
        if not backup.databases:
            return
        databases = [(saved, self._backups.database_of(saved)) for saved in backup.databases]
        servers = {name for _, database in databases for name in database.needs}
        users = {
            name
            for saved in backup.databases
            for name in users_of(DatabaseConfig.model_validate(saved.config), project, self._config.project_dir)
        }
        stopped = with_dependents(users | set(swapped), project) & set(project.services) - servers
        self._compose.stop(stopped, clock.check("stopping services"))
        self._compose.up(servers & set(swapped), clock.check("starting databases"), recreate=True)
        self._compose.up(servers - set(swapped), clock.check("starting databases"), recreate=False)
        for saved, database in databases:
            self._context.progress.note(f"restoring {database.label}")
            self._backups.restore_database(backup, saved, clock.check(f"restoring {database.label}"))

    def _start(self, transaction: Transaction, backup: Backup, project: Project, swapped: Collection[str]) -> None:
        clock = transaction.clock
        recreate = self._new_version_ran(transaction)
        # Servers of databases were replaced already, to restore into them: once is enough.
        restored = any(s.name == "rollback.databases" for s in self._journal.steps(transaction.id)) and recreate
        servers = {name for saved in backup.databases for name in self._backups.database_of(saved).needs}
        done = servers if restored and not TransactionPlan.of(transaction.plan).keep_databases else set()
        self._compose.up(set(swapped) - done, clock.check("starting services"), recreate=recreate)
        others = {name for name in backup.running if name in project.services} - set(swapped)
        self._compose.up(others | (done & set(swapped)), clock.check("starting services"), recreate=False)

    def _start_again(self, backup: Backup, project: Project, swapped: Collection[str], clock: Clock) -> None:
        """Start services again that an earlier try had started: Docker or the machine may have stopped some since."""
        done = {c.service for c in self._compose.containers() if c.state == "exited" and c.exit_code == 0}
        ran = set(backup.running) & set(project.services)
        self._compose.up(ran | (set(swapped) - done), clock.check("starting services"), recreate=False)

    def _wait_for_health(
        self, backup: Backup, project: Project, plan: TransactionPlan, swapped: Collection[str], clock: Clock
    ) -> None:
        # A service that was ill before the update may be ill after the rollback: that is no reason for BROKEN.
        well = [name for name in swapped if name in plan.before.well]
        expected = gate.Expectation(
            project=project,
            watched=well,
            images={name: image.image_id for name, image in backup.images.items()},
            settle_seconds=self._config.settle_seconds or 0.0,
            probes=self._config.probes,
            probe_seconds=self._config.probe_seconds,
            before=replace(plan.before, required=[]),
        )
        gate.wait(self._compose, expected, clock)

    def _succeeded(self, transaction: Transaction) -> Transaction:
        downtime = self._downtime(transaction)
        if transaction.kind == ROLLBACK:
            transaction = self._note_baseline(transaction)
        ended = self._journal.advance(
            transaction,
            State.ROLLED_BACK,
            downtime_seconds=downtime,
            details={**self._context.final_details(transaction, downtime), **self._data(transaction)},
            is_bad=self._speaks_against(transaction),
        )
        clean_up(self._context)
        return ended

    def _note_baseline(self, transaction: Transaction) -> Transaction:
        """Note what an operator brought back, in force from now on; where it cannot be judged, the record stays."""
        places = GatewayDirectories.of(self._config)
        origin = f"the return to {transaction.from_version}"
        try:
            found = baseline.of_present(self._compose.present, places, origin)
        except OtaError as problem:
            self._context.progress.note(problem.message)
            return transaction
        return self._journal.note(transaction, baseline=found.as_dict())

    def _data(self, transaction: Transaction) -> EndDetails:
        """The fate of the databases, for the report: `untouched`, `kept` or `restored`, and the seconds lost."""
        plan = TransactionPlan.of(transaction.plan)
        backup = self._backups.index_of(plan.backup)
        if not backup.databases:
            return {}
        if not self._new_version_ran(transaction):
            return {"databases": "untouched"}
        if plan.keep_databases:
            return {"databases": "kept"}
        begun = [s.begun_at for s in self._journal.steps(transaction.id) if s.name == "rollback.databases"]
        saved = min(dump.saved_at or backup.created_at for dump in backup.databases)
        # By the wall clock, across reboots; one that was set back proves nothing.
        lost = seconds_between(saved, begun[0])
        return {"databases": "restored", "lost_seconds": lost if lost >= 0 else None}

    def _speaks_against(self, transaction: Transaction) -> bool:
        """Whether the rollback makes the version known to be bad; not after an interruption, the first time."""
        if transaction.kind == ROLLBACK:
            left, back = transaction.version, transaction.from_version
            return parse_version(left) > parse_version(back)
        was_interrupted = (transaction.error or {}).get("code") == INTERRUPTED
        return not was_interrupted or self._journal.rolled_back_count(transaction.version) > 0

    def _downtime(self, transaction: Transaction) -> float | None:
        """Seconds from the moment when services may first have been down until now; None: not known."""
        touched = (State.STOPPED, State.STARTED, State.ROLLING_BACK)
        begun = [s.begun_at for s in self._journal.steps(transaction.id) if s.name in touched]
        return diagnosis.down_since(begun[0], TransactionPlan.of(transaction.plan).down_clock) if begun else None

    def _start_what_starts(self) -> None:
        try:
            self._compose.up(self._compose.present.services, START_SECONDS, recreate=False)
        except OtaError as error:
            self._context.progress.note(f"services could not all be started: {error.message}")

    def _broken(self, transaction: Transaction, problem: OtaError) -> Transaction:
        """End the transaction as BROKEN: start the services that can be started, and raise an alarm."""
        crashed_here = transaction.attempts > ATTEMPTS_MAX
        if not crashed_here:
            # Counted, too: if even this crashes, the next attempt only records BROKEN.
            transaction = self._journal.count_attempt(transaction, transaction.clock.stored())
            self._start_what_starts()
        broken = BrokenError(
            f"{transaction.reason}; the rollback failed too: {problem.message}",
            hint="a person is needed: look with `status`, repair the services, then update with --force",
            cause=problem.as_dict(),
        )
        return self._journal.advance(
            transaction,
            State.BROKEN,
            reason=broken.message,
            error=broken.as_dict(),
            details=self._context.final_details(transaction, None, with_digests=not crashed_here),
        )
