"""Bundles, good ones and others, as bytes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

from ota_py import bundle

HEX = "a" * 64
HEADER = bundle.header("1.2.0")


def archive(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    for name, data in members:
        bundle.write_member(file, name, len(data), iter([data]))
    bundle.write_end(file)
    return file.getvalue()


def tar(change: Callable[[tarfile.TarInfo], None], form: int = tarfile.USTAR_FORMAT, **headers: str) -> bytes:
    """A good bundle with one entry more, made by Python's own writer."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as writer:
        for name, data in ((bundle.HEADER_NAME, HEADER), (bundle.BLOBS + HEX, b"blob")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            if name != bundle.HEADER_NAME:
                change(entry)
                entry.pax_headers = headers
            writer.addfile(entry, io.BytesIO(data) if entry.isreg() else None)
    return file.getvalue()


def become(**values: object) -> Callable[[tarfile.TarInfo], None]:
    return lambda entry: [setattr(entry, name, value) for name, value in values.items()] and None


def header_of(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.USTAR_FORMAT)


CONTENTS = {bundle.HEADER_NAME: HEADER, "metadata/timestamp.json": b"{}", bundle.BLOBS + HEX: b"blob"}
GOOD = archive(*CONTENTS.items())
# One that goes on after its header.
FIRST = archive((bundle.HEADER_NAME, HEADER))[:-1024]
