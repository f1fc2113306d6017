"""Bundles that are hostile archives, brought to a gateway: refused while they are read (A21)."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ota_py import bundle
from ota_py.errors import IntegrityError
from tests.support.bundles import FIRST, GOOD, HEADER, HEX, archive, become, header_of, tar
from tests.support.gateway.attacked import Box, files_of

pytestmark = pytest.mark.case("A21")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (archive((bundle.HEADER_NAME, HEADER), ("../../outside", b"x")), "which no bundle has"),
        (archive((bundle.HEADER_NAME, HEADER), ("/tmp/outside", b"x")), "which no bundle has"),
        (tar(become(type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0)), "is not a plain file"),
        (tar(become(type=tarfile.LNKTYPE, linkname=bundle.HEADER_NAME, size=0)), "is not a plain file"),
        (tar(become(type=tarfile.CHRTYPE, devmajor=1, devminor=3, size=0)), "is not a plain file"),
        (FIRST + header_of("metadata/root.json", 1) + bytes(1024), "which no bundle has"),
        (
            FIRST + header_of("metadata/timestamp.json", 10**9) + bytes(1024),
            "has 1000000000 bytes",
        ),
        (FIRST + header_of(bundle.BLOBS + HEX, 8**11 - 1), "ends in the middle"),
        (GOOD + b"x", "something follows after its end"),
    ],
    ids=["..", "absolute", "link", "hard link", "device", "other name", "huge", "endless", "more"],
)
def test_a_hostile_archive_changes_nothing(box: Box, data: bytes, words: str) -> None:
    path = box.directory / "update.bundle"
    path.write_bytes(data)
    files, before = files_of(box), box.state()

    status, answer = box.command("update", "--bundle", str(path))

    assert (status, answer["error"]["code"]) == (IntegrityError.exit_status, "integrity")
    assert words in answer["error"]["message"]
    assert box.state() == before
    assert files_of(box) - files <= lock_of(box)
    assert box.mirror.requests == []


def lock_of(box: Box) -> set[str]:
    """The lock of the gateway, which every command leaves."""
    return {str(Path(box.config.lock_path))}
