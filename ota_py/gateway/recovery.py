"""Recovery: what a transaction whose owner is gone ends in. Decided from the journal alone."""

from __future__ import annotations

from ota_py.errors import InterruptedByOperatorError, OtaError, UpdateFailedError
from ota_py.gateway import ballast, fetched, revival
from ota_py.gateway.parts import Parts
from ota_py.gateway.rollback import Rollback
from ota_py.gateway.states import State
from ota_py.gateway.tidying import is_tidy, tidy
from ota_py.gateway.transaction import ATTEMPTS_MAX, Transaction

NOTHING_TOUCHED = "interrupted, nothing was touched"
SUPERSEDED = "superseded"
INTERRUPTED = "interrupted after services were touched"


def recover(parts: Parts) -> Transaction | None:
    """End the open transaction, if there is one; the caller holds the lock.

    Before the first touch it FAILED; with HEALTHY reached it is COMMITTED; else it is rolled back.
    """
    transaction = parts.journal.open_transaction()
    if transaction is None:
        revive(parts)
        if not is_tidy(parts):
            tidy(parts, keep_fetched=True)
        return None
    make_room(parts)
    if not transaction.touched or transaction.state is State.HEALTHY:
        transaction = parts.journal.count_attempt(transaction, transaction.clock.stored())
    if not transaction.touched:
        # With no step under way it was left open on purpose, by `--until`.
        return fail(parts, transaction, NOTHING_TOUCHED if transaction.intent else SUPERSEDED)
    if transaction.state is State.HEALTHY:
        return commit(parts, transaction)
    return Rollback(parts).run(transaction, INTERRUPTED, InterruptedByOperatorError(INTERRUPTED))


def fail(parts: Parts, transaction: Transaction, reason: str, error: OtaError | None = None) -> Transaction:
    """End a transaction that touched nothing, and remove what it prepared."""
    cause = error or UpdateFailedError(reason)
    details = parts.final_details(transaction, None, asks=transaction.attempts <= ATTEMPTS_MAX)
    if reason == SUPERSEDED:  # says nothing about the update: a rollout does not count it as a failure
        details["error"] = {"code": SUPERSEDED}
    failed = parts.journal.advance(
        transaction, State.FAILED, reason=reason, error=cause.as_dict(), details=details
    )
    tidy(parts, keep_fetched=fetched.worth_keeping(cause) or reason == NOTHING_TOUCHED)
    revive(parts)
    return failed


def commit(parts: Parts, transaction: Transaction) -> Transaction:
    """Make a healthy update final: nothing but the journal's word does. Then tidy up."""
    asks = transaction.attempts <= ATTEMPTS_MAX
    details = parts.final_details(transaction, transaction.downtime_seconds, asks=asks)
    committed = parts.journal.advance(transaction, State.COMMITTED, details=details)
    tidy(parts)
    return committed


def revive(parts: Parts) -> None:
    """Start the services that a killed engine left down; see `ota_py.gateway.revival`."""
    revival.revive(parts.compose, parts.progress)


def make_room(parts: Parts) -> None:
    """Give back what was kept aside for this: from here on everything must be possible on a full disk."""
    ballast.throw_off(parts.config.ballast_path)
