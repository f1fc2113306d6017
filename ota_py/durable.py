"""Files that survive a power cut: written aside, synced, renamed, and the new name synced in its directory.

Operator's, control plane's and trust's side write by this module what must be whole or not there. The gateway
software goes through `ota_py.gateway.system.files`, where every effect is a failpoint, for all that it does.
All functions raise the system's OSError: the caller knows what the file is called in a message.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Of files that are not finished, under names that nobody else has; a killed process may leave one.
DRAFT_PREFIX = ".put-"
USUAL_MODE = 0o666
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def replace(path: Path, data: bytes, mode: int | None = None) -> None:
    """Replace a file by `data`; see `replacing`."""
    with replacing(path, mode) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path, mode: int | None = None, *, draft: Path | None = None) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path` at the end of the block; of a link, the link's.

    A reader, and a machine after a power cut, has the old file or the new one. When the block fails, the old
    one stays, and nothing is left beside it.

    Args:
        mode: permission bits of the new file, whatever the umask is; None: the usual ones.
        draft: where to write first, in the same directory: what a killed process left there is overwritten.
            None: under a name that nobody else has, so that several may write at a time.
    """
    flags = _NEW
    if draft is None:
        draft = path.with_name(DRAFT_PREFIX + os.urandom(8).hex())
    else:
        flags = flags & ~os.O_EXCL | os.O_TRUNC
    descriptor = os.open(draft, flags, USUAL_MODE if mode is None else mode & 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_names(path.parent)


@contextlib.contextmanager
def new_file(path: Path, mode: int = USUAL_MODE) -> Iterator[IO[bytes]]:
    """A file to write to that did not exist; it is removed again when the block fails.

    Args:
        mode: its permission bits from the first moment on, the process's umask taken off.

    Raises:
        FileExistsError: something has this name, a link that leads nowhere included.
    """
    descriptor = os.open(path, _NEW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    _sync_names(path.parent)


def rename(source: Path, target: Path) -> None:
    """Let a file that another program wrote take the place of `target`."""
    sync(source)
    os.replace(source, target)
    _sync_names(target.parent)


def sync(path: Path) -> None:
    """Bring a file's bytes, or a directory's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_names(directory: Path) -> None:
    try:
        sync(directory)
    except OSError as error:
        # Some file systems of sticks and shares have no such thing for directories; the file is whole there.
        if error.errno != errno.EINVAL:
            raise
