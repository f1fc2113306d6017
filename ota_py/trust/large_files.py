"""Checks of files too large for memory: hashed in pieces, and used from where they were checked."""

from __future__ import annotations

from pathlib import Path

from ota_py.errors import IntegrityError
from ota_py.hashes import sha256_of_file


def check_file(path: Path, sha256: str, length: int, what: str) -> None:
    """Check that a file has the signed length and hash; for bytes see `ota_py.trust.verify.check_integrity`.

    Raises:
        IntegrityError: with what was expected and what was got.
    """
    size = path.stat().st_size
    if size != length:
        raise IntegrityError(f"{what} has {size} bytes, expected {length}")
    got = sha256_of_file(path)
    if got != sha256:
        raise IntegrityError(f"{what} has sha256 {got}, expected {sha256}")
