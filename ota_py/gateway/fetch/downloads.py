"""Downloads of an update that are not in their place yet: whole files, and beginnings of files.

A try that is cut off, killed or rebooted leaves here what it has, and the next one goes on from it. Nothing
here is trusted: every byte is hashed when it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ota_py.errors import (
    CarrierError,
    DeadlineError,
    HeldError,
    IntegrityError,
    InterruptedByOperatorError,
    OtaError,
)
from ota_py.gateway.system import files

PART_SUFFIX = ".part"
_CHUNK_BYTES = 256 * 1024
# After these the same update is tried again, and goes on from what is here.
_PASSING = (CarrierError, DeadlineError, HeldError, InterruptedByOperatorError)

# Gives the bytes of one file or layer from a position on.
Stream = Callable[[int], Iterator[bytes]]
# Gives the bytes of a target from a position on: target path, its sha256, position.
TargetStream = Callable[[str, str, int], Iterator[bytes]]


@dataclass(frozen=True)
class Download:
    """A file or layer that is to be fetched.

    Attributes:
        length: in bytes.
        what: for messages, such as `file config/app.conf`.
    """

    sha256: str
    length: int
    what: str


def worth_keeping(error: OtaError) -> bool:
    """Whether a try that failed with this error is likely to be followed by one that can use its downloads."""
    return isinstance(error, _PASSING)


class DownloadCache:
    """One directory of files named by their hashes; beginnings of files end in `.part`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def fetch(self, wanted: Download, stream: Stream) -> Path:
        """Fetch what is still missing of a file; returns its path.

        Raises:
            IntegrityError: the file is not what was signed; it is removed.
            NoSpaceError: the disk is full.
            CarrierError: of `stream`; the bytes that arrived are kept.
        """
        for _ in self.pieces(wanted, stream):
            pass
        return self._path(wanted)

    def pieces(self, wanted: Download, stream: Stream) -> Iterator[bytes]:
        """All bytes of a file, first those that are here, then those that arrive; see `fetch`.

        The last ones are only given once the whole is what was signed: no caller gets a wrong file whole.
        """
        held = b""
        for piece in self._unchecked(wanted, stream):
            if held:
                yield held
            held = piece
        yield held

    def _unchecked(self, wanted: Download, stream: Stream) -> Iterator[bytes]:
        digest, have = hashlib.sha256(), 0
        path = self._path(wanted)
        part = path.with_name(path.name + PART_SUFFIX)
        here = path if path.exists() else part
        for piece in _read(here):
            digest.update(piece)
            have += len(piece)
            yield piece
        found = have
        if have < wanted.length:
            files.make_directory(self.directory, 0o700)
            with files.extend(part) as file:
                for piece in stream(have):
                    have += len(piece)
                    if have > wanted.length:
                        break
                    file.write(piece)
                    digest.update(piece)
                    yield piece
        if have != wanted.length or digest.hexdigest() != wanted.sha256:
            files.remove(here)
            files.remove(part)
            raise _wrong(wanted, have, found, digest.hexdigest())
        if here != path:
            files.sync(part)
            files.rename(part, path)

    def missing_bytes(self, wanted: Download) -> int:
        """How many bytes of a file are still to be fetched."""
        path = self._path(wanted)
        for here in (path, path.with_name(path.name + PART_SUFFIX)):
            with suppress(OSError):
                return max(0, wanted.length - here.stat().st_size)
        return wanted.length

    def discard(self) -> None:
        """Remove all downloads."""
        files.remove_tree(self.directory)

    def _path(self, wanted: Download) -> Path:
        return self.directory / wanted.sha256


def _read(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except FileNotFoundError:
        return
    except OSError as error:
        raise OtaError(f"cannot read {path}: {error.strerror}") from None


def _wrong(wanted: Download, have: int, found: int, sha256: str) -> OtaError:
    if found:
        return CarrierError(
            f"what an earlier try left of {wanted.what} is damaged; it was removed",
            hint="try again: it will be fetched anew",
        )
    if have != wanted.length:
        got = f"more than {wanted.length}" if have > wanted.length else str(have)
        return IntegrityError(f"{wanted.what} has {got} bytes, expected {wanted.length}")
    return IntegrityError(f"{wanted.what} has sha256 {sha256}, expected {wanted.sha256}")
