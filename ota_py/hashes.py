"""SHA-256 in hex: of bytes, of files, and of what comes in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO


def sha256_of(data: bytes) -> str:
    """The SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: str | Path) -> str:
    """The SHA-256 of a file of any size, which is read in pieces."""
    with open(path, "rb") as file:
        return sha256_of_open(file)


def sha256_of_open(file: IO[bytes]) -> str:
    """The SHA-256 of the rest of an open file, which is read in pieces."""
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # any open binary file will do


def sha256_of_pieces(pieces: Iterable[bytes]) -> str:
    """The SHA-256 of bytes that come one piece after the other."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def digest_of(data: bytes) -> str:
    """The SHA-256 of bytes as image registries write it, `sha256:HEX`."""
    return f"sha256:{sha256_of(data)}"
