"""Space kept aside for the way back: a file that is thrown off before anything else when an update fails.

A rollback needs little, but not nothing: rows in the journal, a configuration file beside the one that it
replaces, what the Docker engine notes about a container. On a disk that is full to the last byte, and was
perhaps filled by the update, none of that can be written.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from ota_py.errors import OtaError
from ota_py.gateway.system import files

BYTES = 8 * 1024**2


def take(path: Path, more: int = 0) -> None:
    """Have the file; what is there already stays.

    Args:
        more: bytes beyond the usual: for files that the way back writes.

    Raises:
        NoSpaceError: not even that is free; nothing was touched, so this is the moment to give up.
    """
    wanted = BYTES + more
    if not path.is_file() or path.stat().st_size < wanted:
        files.allocate(path, wanted)


def throw_off(path: Path) -> None:
    """Free the space. Raises no OtaError: without it the way back is tried all the same."""
    with contextlib.suppress(OtaError):
        files.remove(path)
