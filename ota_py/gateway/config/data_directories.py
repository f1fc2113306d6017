"""The directories that may be backed up as data: a restore empties them first. Pure."""

from __future__ import annotations

from pathlib import Path

from ota_py.manifest_fields import RESERVED_DIRECTORY

# Directories of the system: neither they nor their parents may be restored.
_SYSTEM = (
    "bin",
    "boot",
    "dev",
    "etc/ota",
    "lib",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr/bin",
    "usr/lib",
    "var/lib/docker",
)
# Directories whose files are made anew at each boot, or are no files at all.
_NO_DATA = ("dev", "proc", "run", "sys")


def problem(path: Path, project: Path, state: Path) -> str:
    """Why a directory must not be emptied and restored; an empty string if it may be.

    Args:
        path: absolute.
        project: the Compose project's directory: data may lie in it, but not be all of it.
        state: the updater's own directory: no backup may overwrite anything in it.
    """
    if not path.is_absolute() or ".." in path.parts:
        return f"{path} is not a plain absolute path"
    root = Path("/")
    if any(path.is_relative_to(root / name) for name in _NO_DATA):
        return f"{path} holds no data that lasts"
    own = (project / RESERVED_DIRECTORY, state)
    if any(overlap(path, place) for place in own):
        return f"{path} holds, or lies in, a directory of the updater"
    if any(place.is_relative_to(path) for place in (project, *(root / name for name in _SYSTEM))):
        return f"{path} holds more than data"
    return ""


def overlap(one: Path, other: Path) -> bool:
    """Whether one of two paths is, or lies in, the other."""
    return one.is_relative_to(other) or other.is_relative_to(one)
