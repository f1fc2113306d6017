"""What a transaction leaves behind once it has ended: working copies, old backups, images, holders."""

from __future__ import annotations

from ota_py.contract.transactions import State
from ota_py.errors import OtaError
from ota_py.gateway.system import files
from ota_py.gateway.transaction.context import TransactionContext


def tidy(context: TransactionContext, *, keep_fetched: bool = False) -> None:
    """Remove what is of no use any more. Taken twice it does no harm; it changes no outcome and never raises.

    Args:
        keep_fetched: another try is likely, and can go on from what was fetched.

    What cannot be tidied now is tidied after the next transaction, or when the agent starts.
    """
    last = context.journal.last_transaction()
    try:
        if last is not None and last.state is State.FAILED:
            context.backups.remove_of(last.id)  # nothing was touched: there is no way back to need it
        context.retention.prune()
        context.image_retention.settle()
        # The last, because they show whether the rest was done.
        ended = {last.version} if last is not None and not last.is_open else set()
        for version in ended.union(_left_over(context)):
            context.staging(version).discard(keep_fetched=keep_fetched)
    except (OtaError, OSError) as error:
        context.progress.note(f"could not tidy up: {error}")


def is_tidy(context: TransactionContext) -> bool:
    """Whether the last transaction was tidied up after."""
    return not _left_over(context)


def _left_over(context: TransactionContext) -> list[str]:
    """Versions whose working copies are still here, but for that of an open transaction."""
    last = context.journal.open_transaction()
    directory = context.config.updates_dir
    working = ("new", "tree", f"*{files.DRAFT_SUFFIX}")
    versions = {path.parent.name for name in working for path in directory.glob(f"*/{name}")}
    return sorted(versions - ({last.version} if last else set()))
