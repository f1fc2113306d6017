"""Free space on a file system: how much there is, and an early refusal where more is needed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ota_py.errors import NoSpaceError


@dataclass(frozen=True)
class Need:
    """Bytes that will be written below a directory, and what for."""

    path: Path
    size: int
    what: str


def free_bytes(path: Path) -> int:
    """Bytes free for this process on the file system of `path`, or of its nearest existing parent."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def require_space(path: Path, needed: int, what: str) -> None:
    """Check that `needed` bytes are free at `path`.

    Raises:
        NoSpaceError: naming the place, what is needed and what is free.
    """
    free = free_bytes(path)
    if free < needed:
        raise NoSpaceError(
            f"{what} needs {_mib(needed)} MiB at {path}, {_mib(free)} MiB are free",
            hint="free some space on this gateway, for example with `docker image prune`, and try again",
        )


def _mib(count: int) -> str:
    return f"{count / 1024**2:,.0f}"
