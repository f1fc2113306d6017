"""The format of a bundle: one update in one file, for a stick.

A plain POSIX `ustar` archive of plain files, and nothing else that such an archive can hold:

    ota-bundle.json        {"format": 1, "version": "1.2.0"}; a hint which update it is, signed by nobody
    metadata/NAME.json     the repository's TUF metadata: all roots, timestamp, snapshot, targets
    blobs/sha256/HEX       manifest, signature and files of the update; documents and layers of its images

Names are short and contents go by hash, so that reading one needs no archive library, whose extensions
(long names, sparse files, links) have been the way in for many an attack. Nothing is compressed twice.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from ota_py import names
from ota_py.errors import IntegrityError, OtaError

HEADER_NAME = "ota-bundle.json"
METADATA = "metadata/"
BLOBS = "blobs/sha256/"
FORMAT = 1
BLOCK = 512
HEADER_MAX_BYTES = 4096
METADATA_MAX_BYTES = 8 * 1024 * 1024
MEMBERS_MAX = 20_000
# The largest size that a header can hold in octal.
BLOB_MAX_BYTES = 8**11 - 1

_NAME = re.compile(
    rf"{re.escape(HEADER_NAME)}|{METADATA}(timestamp|[0-9]{{1,9}}\.(root|snapshot|targets))\.json"
    rf"|{BLOBS}[0-9a-f]{{64}}"
)
_END = bytes(BLOCK)


@dataclass(frozen=True)
class Member:
    """The place of a member's bytes in the file."""

    offset: int
    size: int


def write_member(file: IO[bytes], name: str, size: int, pieces: Iterator[bytes]) -> None:
    """Append a member to a bundle.

    Raises:
        IntegrityError: other than `size` bytes came, or more than a member can have.
    """
    if size > BLOB_MAX_BYTES:
        raise IntegrityError(f"{name} has {size} bytes, a bundle's limit is {BLOB_MAX_BYTES}")
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    file.write(entry.tobuf(tarfile.USTAR_FORMAT))
    written = 0
    for piece in pieces:
        written += len(piece)
        file.write(piece)
    if written != size:
        raise IntegrityError(f"{name} has {written} bytes, expected {size}")
    file.write(bytes(-size % BLOCK))


def write_end(file: IO[bytes]) -> None:
    """Write the end of a bundle's archive."""
    file.write(2 * _END)


def header(version: str) -> bytes:
    """The content of a bundle's first member, which names its version."""
    return json.dumps({"format": FORMAT, "version": version}).encode() + b"\n"


def is_bundle(head: bytes) -> bool:
    """Whether a file that begins with `head` is a bundle, good or bad."""
    return head.startswith(HEADER_NAME.encode() + b"\0")


def read_members(file: IO[bytes]) -> dict[str, Member]:
    """The members of a bundle by name; their content is not read.

    Raises:
        IntegrityError: the file holds anything but what is described above, or ends too early.
    """
    file.seek(0, io.SEEK_END)
    length = file.tell()
    members: dict[str, Member] = {}
    position = 0
    while True:
        file.seek(position)
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise IntegrityError("it ends in the middle: the file was not copied to its end")
        if block == _END and members:
            break
        name, size = _parse_header(block)
        if not members and name != HEADER_NAME:
            raise IntegrityError(f"it begins with {name!r}, expected {HEADER_NAME!r}")
        if name in members:
            raise IntegrityError(f"it has two members {name!r}")
        if len(members) >= MEMBERS_MAX:
            raise IntegrityError(f"it has more than {MEMBERS_MAX} members")
        members[name] = Member(position + BLOCK, size)
        position += BLOCK + size + -size % BLOCK
        if position + 2 * BLOCK > length:
            raise IntegrityError("it ends in the middle: the file was not copied to its end")
    _require_end(file, position, length)
    return members


def parse_version(raw: bytes) -> str:
    """The version in the content of a bundle's first member.

    Raises:
        IntegrityError: it is not such a document, or of a newer format.
    """
    try:
        data: Any = json.loads(raw)
        if data["format"] != FORMAT:
            raise IntegrityError(f"it is of format {data['format']!r}, this software reads {FORMAT}")
        names.parse_version(data["version"])
        return str(data["version"])
    except IntegrityError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError, OtaError):
        raise IntegrityError(f"its {HEADER_NAME} makes no sense") from None


def _parse_header(block: bytes) -> tuple[str, int]:
    """Name and size of a member, which must be a plain file with a name that bundles have.

    Source of the layout: POSIX.1-2017, pax, "ustar Interchange Format".
    """
    if block[257:265] != b"ustar\x0000":
        raise IntegrityError("it is not a plain ustar archive")
    recorded, counted = _octal(block[148:156]), sum(block[:148]) + 8 * 0x20 + sum(block[156:])
    if recorded != counted:
        raise IntegrityError("a header of it is damaged")
    name = block[:100].rstrip(b"\0").decode("ascii", "replace")
    if block[156:157] != b"0" or any(block[157:257]):
        raise IntegrityError(f"its member {name[:100]!r} is not a plain file")
    if any(block[345:500]) or not _NAME.fullmatch(name):
        raise IntegrityError(f"it has a member {name[:100]!r}, which no bundle has")
    size = _octal(block[124:136])
    limit = BLOB_MAX_BYTES
    if not name.startswith(BLOBS):
        limit = METADATA_MAX_BYTES if name.startswith(METADATA) else HEADER_MAX_BYTES
    if size > limit:
        raise IntegrityError(f"its member {name!r} has {size} bytes, the limit is {limit}")
    return name, size


def _octal(field: bytes) -> int:
    text = field.rstrip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,11}", text):
        raise IntegrityError("a header of it is damaged")
    return int(text, 8)


def _require_end(file: IO[bytes], position: int, length: int) -> None:
    """Check that nothing but zeros follows an archive's end: nobody would check what is hidden there."""
    if length - position > 20 * BLOCK:
        raise IntegrityError("something follows after its end")
    file.seek(position)
    if any(file.read()):
        raise IntegrityError("something follows after its end")
