"""Acceptance by the owner: what the Compose files give to services now counts as given to them."""

from __future__ import annotations

from ota_py.errors import ConflictError
from ota_py.gateway.policy import baseline
from ota_py.gateway.policy.baseline import Baseline
from ota_py.gateway.policy.rules import GatewayDirectories
from ota_py.gateway.system import lock
from ota_py.gateway.transaction.context import TransactionContext


def accept(context: TransactionContext) -> Baseline:
    """Record the present files as the baseline.

    Raises:
        BusyError: a transaction is under way.
        ConflictError: one was interrupted half-way: its files are of no version.
    """
    with lock.exclusive(context.config.lock_path):
        half_way = context.journal.open_transaction()
        if half_way and half_way.touched:
            raise ConflictError(
                f"the transaction to {half_way.version} was interrupted half-way",
                hint="end it first: ota_client.py recover",
            )
        places = GatewayDirectories.of(context.config)
        found = baseline.of_present(context.compose.present, places, baseline.ACCEPTED)
        baseline.record(context.journal, found)
        return found
