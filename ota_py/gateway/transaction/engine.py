"""The engine: every change of what this gateway runs goes through here, under one lock and journal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ota_py.contract.transactions import SUPERSEDED, State
from ota_py.errors import (
    ConflictError,
    HeldError,
    InterruptedByOperatorError,
    NoSpaceError,
    OtaError,
)
from ota_py.gateway.backup.index import Backup
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.fetch.downloads import TargetStream
from ota_py.gateway.fetch.relay import Supply
from ota_py.gateway.fetch.staging import Fetch
from ota_py.gateway.health import gate
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.plan import TransactionPlan
from ota_py.gateway.journal.states import STEPS
from ota_py.gateway.journal.transaction import UPDATE, Transaction
from ota_py.gateway.policy import hold
from ota_py.gateway.system import lock
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.system.progress import Progress, Silence
from ota_py.gateway.system.signals import shielded
from ota_py.gateway.transaction import diagnosis, preconditions, recovery, restore, results, space
from ota_py.gateway.transaction.cleanup import clean_up
from ota_py.gateway.transaction.context import TransactionContext
from ota_py.gateway.transaction.results import Result
from ota_py.gateway.transaction.rollback import RollbackSteps
from ota_py.gateway.transaction.update import UpdateSteps
from ota_py.trust.verify import VerifiedManifest

UNTIL = (State.VERIFIED, State.BACKED_UP, State.COMMITTED)


class Engine:
    """The engine of one gateway.

    Args:
        journal: open for as long as the engine is used.
        progress: receives the progress of the work.
    """

    def __init__(self, config: GatewayConfig, journal: Journal, progress: Progress | None = None) -> None:
        self._config = config
        self._journal = journal
        self._progress = progress or Silence()
        self.context = TransactionContext(config, journal, self._progress)

    # -- verbs ----------------------------------------------------------------------------------------

    def update(
        self,
        verified: VerifiedManifest,
        fetch: Fetch,
        *,
        stream: TargetStream | None = None,
        rollout: int | None = None,
        until: State = State.COMMITTED,
        force: bool = False,
        now: bool = False,
        bundle: Supply | None = None,
        held: bool = False,
    ) -> Result:
        """Update the gateway to the manifest's version, or leave it on the version that it runs.

        Outside the maintenance windows, and against a veto, nothing is touched: the transaction stays open,
        outcome HELD.

        Args:
            stream: gives the gateway software that the update brings, where it brings some.
            rollout: the rollout that requests the update, for the reports.
            until: stop, and stay open, once this state is reached.
            force: also a version that was rolled back before, and also after a broken rollback.
            now: ignore windows and vetoes.
            bundle: has the images, which then need no registry.
            held: the agent goes on with a held update: a reason that was reported is not reported again.

        Raises:
            BusyError: another transaction is under way.
            BrokenError: the last rollback failed, and no person has repaired the gateway yet.
        """
        with lock.exclusive(self._config.lock_path):
            update = UpdateSteps(self.context, verified, fetch, stream, force=force, bundle=bundle)
            transaction = self._continued(update, rollout, held)
            if transaction is None:
                preconditions.refuse_when_broken(self._journal, force)
                if preconditions.runs_already(self.context, update.manifest, force):
                    return preconditions.skip(self._journal, update.manifest.version, rollout)
                transaction = self._receive(update, rollout)
            return self._drive(transaction, update, until, now)

    def refuse(self, version: str, error: OtaError, rollout: int | None) -> Result:
        """Record a requested update that could not begin as FAILED, so that the control plane learns of it."""
        with lock.exclusive(self._config.lock_path):
            if self._journal.open_transaction():
                recovery.recover(self.context)
            transaction = self._journal.begin(UPDATE, version, rollout, {}, self._fetch_clock())
            ended = recovery.fail(self.context, transaction, error.message, error)
            return results.result_of(ended, self._journal)

    def rollback(self, *, keep_databases: bool = False) -> Result:
        """Roll back to the backup of the update that is installed.

        Raises:
            NotFoundError: no update of ours is installed.
            BackupError: its backup is missing or altered; nothing was touched.
        """
        with lock.exclusive(self._config.lock_path):
            with shielded():
                ended = recovery.recover(self.context)
                # Recovery rolls a half-way update back: one more rollback was not requested.
                if ended is None or not ended.touched:
                    transaction = restore.prepare_rollback(
                        self.context, keep_databases=keep_databases, clock=self._fetch_clock()
                    )
                    reason = f"an operator rolled {transaction.version} back"
                    ended = RollbackSteps(self.context).run(transaction, reason)
            return results.result_of(ended, self._journal)

    def restore(self, backup_id: str | None = None, *, keep_databases: bool = False) -> Result:
        """Restore a backup, the newest where none is named.

        Raises:
            NotFoundError: there is no such backup.
            BackupError: the backup is altered, or an image is gone; nothing was touched.
        """
        with lock.exclusive(self._config.lock_path), shielded():
            recovery.recover(self.context)
            transaction = restore.prepare_restore(
                self.context, backup_id, keep_databases=keep_databases, clock=self._fetch_clock()
            )
            backup = TransactionPlan.of(transaction.plan).backup
            reason = f"an operator restored the backup {backup} of {transaction.from_version}"
            return results.result_of(RollbackSteps(self.context).run(transaction, reason), self._journal)

    def recover(self, *, held: bool = False) -> Result:
        """End an interrupted transaction; on an idle gateway nothing happens.

        Args:
            held: end also an update that is held; it was not interrupted, and otherwise goes on waiting.
        """
        with lock.exclusive(self._config.lock_path), shielded():
            waiting = self._journal.open_transaction()
            if waiting and hold.is_held(waiting) and not held:
                reason = f"update {waiting.version} is held back: {waiting.plan['held']['reason']}"
                recovery.revive(self.context)
                return results.nothing_done(self._journal.installed_version, reason)
            ended = recovery.recover(self.context)
            if ended is None:
                return results.nothing_done(self._journal.installed_version, "nothing to recover")
            return results.result_of(ended, self._journal)

    def backup(self) -> Backup:
        """Make a backup of what runs now.

        Raises:
            ConflictError: an update was interrupted half-way: what runs is no version.
            NoSpaceError: `keep_backups_mib` has no place for it beside the backup that a rollback needs.
        """
        with lock.exclusive(self._config.lock_path):
            half_way = self._journal.open_transaction()
            if half_way and half_way.touched:
                raise ConflictError(
                    f"the transaction to {half_way.version} was interrupted half-way",
                    hint="end it first: ota_client.py recover",
                )
            space.require_for_backup(self.context)
            backup = self.context.backups.create(self.context.compose.present, [], self._fetch_clock())
            clean_up(self.context)
            if not any(entry["id"] == backup.id for entry in self.context.backups.entries()):
                raise NoSpaceError(
                    f"the backup does not fit into keep_backups_mib, {self._config.keep_backups_mib} MiB",
                    hint="raise keep_backups_mib in the gateway's configuration",
                )
            return backup

    def health(self) -> gate.Snapshot:
        """The health of services and probes now."""
        compose = self.context.compose
        return gate.observe(compose, compose.present, self._config.probes)

    # -- an update ------------------------------------------------------------------------------------

    def _drive(self, transaction: Transaction, update: UpdateSteps, until: State, now: bool) -> Result:
        steps = _steps_after(transaction.state, until)
        try:
            if transaction.state is State.PULLED and steps:
                self._check_hold(update, now)
                update.recheck(transaction)
                transaction = self._journal.transaction(transaction.id)
            for step in steps:
                if step is State.STOPPED:
                    self._check_hold(update, now)
                transaction = self._take(transaction, step, update)
        except HeldError as error:
            transaction = self._journal.transaction(transaction.id)
            if not transaction.touched:
                kept = hold.keep(self._journal, transaction, error, self._config.maintenance, update.manifest.critical)
                return results.held(kept, error, self._journal)
            transaction = self._failed(transaction, error)
        except KeyboardInterrupt:
            transaction = self._failed(transaction, InterruptedByOperatorError("interrupted by the operator"))
        except OtaError as error:
            transaction = self._failed(transaction, error)
        except Exception as error:  # noqa: BLE001 - even a bug of ours must end in the old version or the new
            transaction = self._failed(transaction, diagnosis.defect(error))
        return results.result_of(transaction, self._journal)

    def _take(self, transaction: Transaction, step: State, update: UpdateSteps) -> Transaction:
        begun = time.monotonic()
        transaction.clock.check(f"reaching {step}")
        if step is State.STOPPED:
            transaction = update.before_touch(transaction)
        clock = self._touch_clock(update) if step is State.STOPPED else None
        transaction = self._journal.intend(transaction, step, clock)
        self._progress.step(step)
        if step is State.COMMITTED:
            transaction = recovery.commit(self.context, transaction)
        else:
            since = time.time()
            update.action(step)(transaction)
            transaction = self._journal.transaction(transaction.id)
            took = time.monotonic() - begun
            down = diagnosis.downtime(self.context, transaction, since, took) if step is State.STARTED else None
            transaction = self._journal.advance(transaction, step, downtime_seconds=down)
        self._progress.done(step, time.monotonic() - begun)
        return transaction

    def _check_hold(self, update: UpdateSteps, now: bool) -> None:
        if not now and (found := hold.look(self._config.maintenance, update.manifest.critical)):
            raise found.error()

    def _failed(self, transaction: Transaction, error: OtaError) -> Transaction:
        recovery.make_room(self.context)
        transaction = self._journal.transaction(transaction.id)
        self._progress.note(error.message)
        if not transaction.touched:
            return recovery.fail(self.context, transaction, error.message, error)
        with shielded():
            if transaction.state is State.HEALTHY:
                return recovery.commit(self.context, transaction)
            failure = {key: error.details[key] for key in ("failing_service", "log_tail") if key in error.details}
            transaction = self._journal.note(transaction, failure=failure or diagnosis.blame(self.context, transaction))
            return RollbackSteps(self.context).run(transaction, error.message, error)

    # -- how a request begins -------------------------------------------------------------------------

    def _continued(self, update: UpdateSteps, rollout: int | None, held: bool) -> Transaction | None:
        """The open transaction, if it is of this very manifest and rollout; any other one is ended."""
        transaction = self._journal.open_transaction()
        if transaction is None:
            return None
        same = (transaction.version, transaction.plan.get("manifest_sha256")) == (
            update.manifest.version,
            update.sha256,
        )
        same = same and rollout in (None, transaction.rollout)
        # An update that waited for days may have been prepared for files that a person has changed since.
        fits = not hold.is_held(transaction) or update.is_prepared(transaction)
        fits = fits and update.can_bring_images(transaction)
        if same and fits and not transaction.touched:
            self._progress.note(f"going on from {transaction.state}")
            if hold.is_held(transaction) and not held:  # a new request gets the reason reported once more
                transaction = hold.forget_reason(self._journal, transaction)
            return self._journal.note(transaction, clock=self._fetch_clock())
        with shielded():
            if transaction.touched:
                recovery.recover(self.context)
            else:
                recovery.fail(self.context, transaction, SUPERSEDED)
        return None

    def _receive(self, update: UpdateSteps, rollout: int | None) -> Transaction:
        update.store()
        plan = TransactionPlan(manifest_sha256=update.sha256).as_dict()
        return self._journal.begin(UPDATE, update.manifest.version, rollout, plan, self._fetch_clock())

    def _fetch_clock(self) -> Clock:
        return Clock.started(self._config.fetch_minutes * 60)

    def _touch_clock(self, update: UpdateSteps) -> Clock:
        return Clock.started(min(self._config.timeout_minutes, update.manifest.timeout_minutes) * 60)


def _steps_after(state: State, until: State) -> Sequence[State]:
    """The steps that lead from `state` to `until`; none where it is reached already."""
    if until not in UNTIL:
        raise ConflictError(f"cannot stop at {until}, expected {', '.join(UNTIL)}")
    first = STEPS.index(state) + 1 if state in STEPS else 0
    return STEPS[first : STEPS.index(until) + 1]
