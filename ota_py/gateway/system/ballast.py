"""The ballast: a file that keeps space aside for a rollback, and is removed first when an update fails.

A rollback needs little, but not nothing: rows in the journal, a configuration file beside the one that it
replaces, what the Docker daemon stores about a container. On a disk that is full to the last byte, and was
perhaps filled by the update, none of that can be written.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from ota_py.errors import OtaError
from ota_py.gateway.system import files

BYTES = 8 * 1024**2


def reserve(path: Path, more: int = 0) -> None:
    """Make the ballast file; one that is there already stays.

    Args:
        more: bytes beyond the usual: for files that a rollback writes.

    Raises:
        NoSpaceError: the space is not free; nothing was touched, so this is the moment to give up.
    """
    wanted = BYTES + more
    if not path.is_file() or path.stat().st_size < wanted:
        files.allocate(path, wanted)


def release(path: Path) -> None:
    """Remove the ballast file. Raises no OtaError: the rollback is tried also without its space."""
    with contextlib.suppress(OtaError):
        files.remove(path)
