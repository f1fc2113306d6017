"""The cleanup after a transaction has ended: working copies, old backups, images, image pins."""

from __future__ import annotations

from ota_py.contract.transactions import State
from ota_py.errors import OtaError
from ota_py.gateway.system import files
from ota_py.gateway.transaction.context import TransactionContext


def clean_up(context: TransactionContext, *, keep_fetched: bool = False) -> None:
    """Clean up after a transaction. Done twice it does no harm; it changes no outcome and never raises.

    Args:
        keep_fetched: another try is likely, and can go on from the downloads.

    What cannot be removed now is removed after the next transaction, or when the agent starts.
    """
    last = context.journal.last_transaction()
    try:
        if last is not None and last.state is State.FAILED:
            context.backups.remove_of(last.id)  # nothing was touched: no rollback needs them
        context.retention.prune()
        context.image_retention.clean_up()
        # Last, because their absence shows that the rest was done, see `is_clean`.
        ended = {last.version} if last is not None and not last.is_open else set()
        for version in ended.union(_left_over(context)):
            context.staging(version).discard(keep_fetched=keep_fetched)
    except (OtaError, OSError) as error:
        context.progress.note(f"could not clean up: {error}")


def is_clean(context: TransactionContext) -> bool:
    """Whether the cleanup after the last transaction was done."""
    return not _left_over(context)


def _left_over(context: TransactionContext) -> list[str]:
    """Versions whose working copies are still here, except that of an open transaction."""
    last = context.journal.open_transaction()
    directory = context.config.updates_dir
    working = ("new", "tree", f"*{files.DRAFT_SUFFIX}")
    versions = {path.parent.name for name in working for path in directory.glob(f"*/{name}")}
    return sorted(versions - ({last.version} if last else set()))
