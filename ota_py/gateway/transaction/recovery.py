"""Recovery: the end of a transaction whose owner is gone, decided from the journal alone."""

from __future__ import annotations

from ota_py.contract.transactions import SUPERSEDED, State
from ota_py.errors import InterruptedByOperatorError, OtaError, UpdateFailedError
from ota_py.gateway.docker import lost_services
from ota_py.gateway.fetch import downloads
from ota_py.gateway.journal.transaction import ATTEMPTS_MAX, Transaction
from ota_py.gateway.system import ballast
from ota_py.gateway.transaction.cleanup import clean_up, is_clean
from ota_py.gateway.transaction.context import TransactionContext
from ota_py.gateway.transaction.rollback import RollbackSteps

NOTHING_TOUCHED = "interrupted, nothing was touched"
INTERRUPTED = "interrupted after services were touched"


def recover(context: TransactionContext) -> Transaction | None:
    """End the open transaction, if there is one; the caller holds the lock.

    Before the first touch it ends as FAILED; with HEALTHY reached as COMMITTED; else it is rolled back.
    """
    transaction = context.journal.open_transaction()
    if transaction is None:
        revive(context)
        if not is_clean(context):
            clean_up(context, keep_fetched=True)
        return None
    make_room(context)
    if not transaction.touched or transaction.state is State.HEALTHY:
        transaction = context.journal.count_attempt(transaction, transaction.clock.stored())
    if not transaction.touched:
        # With no step under way it was left open on purpose, by `--until`.
        return fail(context, transaction, NOTHING_TOUCHED if transaction.intent else SUPERSEDED)
    if transaction.state is State.HEALTHY:
        return commit(context, transaction)
    return RollbackSteps(context).run(transaction, INTERRUPTED, InterruptedByOperatorError(INTERRUPTED))


def fail(
    context: TransactionContext, transaction: Transaction, reason: str, error: OtaError | None = None
) -> Transaction:
    """End a transaction that touched nothing as FAILED, and clean up."""
    cause = error or UpdateFailedError(reason)
    details = context.final_details(transaction, None, with_digests=transaction.attempts <= ATTEMPTS_MAX)
    if reason == SUPERSEDED:  # no fault of the update: a rollout does not count it as a failure
        details["error"] = {"code": SUPERSEDED}
    failed = context.journal.advance(transaction, State.FAILED, reason=reason, error=cause.as_dict(), details=details)
    clean_up(context, keep_fetched=downloads.worth_keeping(cause) or reason == NOTHING_TOUCHED)
    revive(context)
    return failed


def commit(context: TransactionContext, transaction: Transaction) -> Transaction:
    """Commit a healthy update, by nothing but its record in the journal; then clean up."""
    with_digests = transaction.attempts <= ATTEMPTS_MAX
    details = context.final_details(transaction, transaction.downtime_seconds, with_digests=with_digests)
    committed = context.journal.advance(transaction, State.COMMITTED, details=details)
    clean_up(context)
    return committed


def revive(context: TransactionContext) -> None:
    """Start the services that a killed Docker daemon left down; see `ota_py.gateway.docker.lost_services`."""
    lost_services.revive(context.compose, context.progress)


def make_room(context: TransactionContext) -> None:
    """Release the ballast: from here on everything must be possible on a full disk."""
    ballast.release(context.config.ballast_path)
