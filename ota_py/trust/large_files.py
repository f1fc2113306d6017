"""Files that are too large to be held in memory: checked in pieces, and used from where they were checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ota_py.errors import IntegrityError


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, sha256: str, length: int, what: str) -> None:
    """Check that a file has the signed length and hash; the like of `ota_py.trust.verify.check_integrity`.

    Raises:
        IntegrityError: with what was expected and what was got.
    """
    size = path.stat().st_size
    if size != length:
        raise IntegrityError(f"{what} has {size} bytes, expected {length}")
    got = sha256_of(path)
    if got != sha256:
        raise IntegrityError(f"{what} has sha256 {got}, expected {sha256}")
