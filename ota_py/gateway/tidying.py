"""What a transaction leaves behind once it has ended: working copies, old backups, images, holders."""

from __future__ import annotations

from ota_py.errors import OtaError
from ota_py.gateway import files
from ota_py.gateway.parts import Parts
from ota_py.gateway.states import State


def tidy(parts: Parts, *, keep_fetched: bool = False) -> None:
    """Remove what is of no use any more. Taken twice it does no harm; it changes no outcome and never raises.

    Args:
        keep_fetched: another try is likely, and can go on from what was fetched.

    What cannot be tidied now is tidied after the next transaction, or when the agent starts.
    """
    last = parts.journal.last_transaction()
    try:
        if last is not None and last.state is State.FAILED:
            parts.backups.remove_of(last.id)  # nothing was touched: there is no way back to need it
        parts.retention.prune()
        parts.keeping.settle()
        # The last, because they show whether the rest was done.
        ended = {last.version} if last is not None and not last.is_open else set()
        for version in ended.union(_left_over(parts)):
            parts.staging(version).discard(keep_fetched=keep_fetched)
    except (OtaError, OSError) as error:
        parts.progress.note(f"could not tidy up: {error}")


def is_tidy(parts: Parts) -> bool:
    """Whether the last transaction was tidied up after."""
    return not _left_over(parts)


def _left_over(parts: Parts) -> list[str]:
    """Versions whose working copies are still here, but for that of an open transaction."""
    last = parts.journal.open_transaction()
    directory = parts.config.updates_dir
    working = ("new", "tree", f"*{files.DRAFT_SUFFIX}")
    versions = {path.parent.name for name in working for path in directory.glob(f"*/{name}")}
    return sorted(versions - ({last.version} if last else set()))
