"""The integrity of pulled images, also after a power cut.

Docker does not wait for the disk when it unpacks a layer: a power cut during a pull, or soon after
it, can leave a layer with empty files that Docker takes for whole, and uses again in every later
pull. So a pull is marked in the journal until its bytes are synced; where a mark is found, it is unknown
what reached the disk, and the images are read once, file by file, before they are used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from ota_py.errors import DockerError, OtaError
from ota_py.gateway.docker.images import Images, connect
from ota_py.gateway.journal import facts
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.system import files
from ota_py.gateway.transaction.context import TransactionContext

_MARK = "pulling"
READ_SECONDS = 600.0


def pull(context: TransactionContext, references: Sequence[str], pull_missing: Callable[[], None]) -> None:
    """Pull the missing images, so that all images of the update are whole and on the disk.

    Args:
        references: all images of the update.
        pull_missing: pulls those that Docker does not have.

    Raises:
        DockerError: an image is damaged and could not be replaced.
    """
    unsure = _is_marked(context.journal)
    if not unsure and all(context.images.id_of(reference) for reference in references):
        return
    with _marked(context.journal, context.images):
        pull_missing()
        if unsure:
            context.progress.note("a pull was cut off before; reading the images once")
            _replace_damaged(context, references, pull_missing)


@contextlib.contextmanager
def doubted(journal: Journal) -> Iterator[None]:
    """Mark the images as doubted if the block, which makes containers of them, fails: the next pull reads them."""
    try:
        yield
    except DockerError:
        _mark(journal)
        raise


def _replace_damaged(context: TransactionContext, references: Sequence[str], pull_missing: Callable[[], None]) -> None:
    reader = Images(connect(READ_SECONDS))
    damaged = [reference for reference in references if not reader.is_whole(reference)]
    for reference in damaged:
        context.progress.note(f"{reference} is damaged; pulling it again")
        reader.remove(reference)
    pull_missing()
    for reference in damaged:
        if not reader.is_whole(reference):
            raise DockerError(
                f"the image {reference} is damaged on this gateway's disk, and other images use its layers",
                hint="remove the images that share its layers, then update again",
            )


def _is_marked(journal: Journal) -> bool:
    return bool(facts.read(journal, _MARK))


@contextlib.contextmanager
def _marked(journal: Journal, images: Images) -> Iterator[None]:
    _mark(journal)
    try:
        yield
    except OtaError:
        # The next pull builds on what came in before the link broke. If Docker is gone, it is unknown
        # what it left: the mark stays.
        with contextlib.suppress(OtaError):
            _unmark(journal, images)
        raise
    _unmark(journal, images)


def _mark(journal: Journal) -> None:
    facts.record(journal, _MARK, "yes", name="pull.begin")


def _unmark(journal: Journal, images: Images) -> None:
    files.sync_file_system(images.root_dir())
    facts.forget(journal, _MARK, name="pull.end")
