"""Snapshots of files, for comparing before and after."""

from __future__ import annotations

import os
from pathlib import Path


def picture(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a directory: kind, content, mode and owner."""
    return {
        str(path.relative_to(root)): (
            os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes(),
            path.lstat().st_mode,
            path.lstat().st_uid,
            path.lstat().st_gid,
        )
        for path in sorted(root.rglob("*"))
    }
