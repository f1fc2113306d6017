"""What is no bundle, however it is made: nothing of it is unpacked, so nothing is left behind (A21)."""

from __future__ import annotations

import io
import tarfile

import pytest

from ota_py import bundle
from ota_py.errors import IntegrityError
from tests.support.bundles import CONTENTS, FIRST, GOOD, HEADER, HEX, archive, become, header_of, tar

pytestmark = pytest.mark.case("A21")


def read(data: bytes) -> dict[str, bytes]:
    file = io.BytesIO(data)
    return {n: data[m.offset : m.offset + m.size] for n, m in bundle.read_members(file).items()}


def test_what_is_written_is_read_by_us_and_by_everybody():
    assert read(GOOD) == CONTENTS
    with tarfile.open(fileobj=io.BytesIO(GOOD)) as reader:
        assert {m.name: reader.extractfile(m).read() for m in reader} == CONTENTS
    assert read(tar(lambda _: None)).keys() == {bundle.HEADER_NAME, bundle.BLOBS + HEX}
    assert bundle.parse_version(HEADER) == "1.2.0"
    assert bundle.is_bundle(GOOD[:512])
    assert not bundle.is_bundle(b"{}")


@pytest.mark.parametrize(
    "name",
    [
        "../blobs/x",
        "/etc/passwd",
        f"blobs/sha256/../{HEX}",
        f"./blobs/sha256/{HEX}",
        f"blobs/sha256/{HEX}/x",
        f"blobs/sha256/{HEX.upper()}",
        "metadata/../x.json",
        "metadata/1.mirrors.json",
        "metadata/timestamp.json\n",
        "README",
        "",
    ],
)
def test_a_name_that_no_bundle_has(name: str):
    with pytest.raises(IntegrityError, match="which no bundle has"):
        read(archive((bundle.HEADER_NAME, HEADER), (name, b"x")))


@pytest.mark.parametrize(
    "data",
    [
        tar(become(type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0)),
        tar(become(type=tarfile.LNKTYPE, linkname=bundle.HEADER_NAME, size=0)),
        tar(become(type=tarfile.CHRTYPE, devmajor=1, devminor=3, size=0)),
        tar(become(type=tarfile.BLKTYPE, size=0)),
        tar(become(type=tarfile.FIFOTYPE, size=0)),
        tar(become(type=tarfile.DIRTYPE, size=0)),
        tar(become(type=tarfile.GNUTYPE_SPARSE)),
        tar(become(type=tarfile.CONTTYPE)),
        tar(become(type=b"\0")),
        tar(become(name="x" * 200), tarfile.GNU_FORMAT),
        tar(become(), tarfile.PAX_FORMAT, **{"GNU.sparse.realsize": str(10**12)}),
        tar(become(name="é"), tarfile.PAX_FORMAT),
        tar(become(), tarfile.GNU_FORMAT),
    ],
    ids=[
        *("symlink", "hard link", "character device", "block device", "fifo", "directory", "GNU sparse"),
        *("contiguous", "old regular", "GNU long name", "pax sparse", "pax name", "GNU format"),
    ],
)
def test_an_entry_that_is_no_plain_file(data: bytes):
    with pytest.raises(IntegrityError, match=r"is not a plain file|is not a plain ustar|which no bundle has"):
        read(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends in the middle"),
        (GOOD[:-1024], "ends in the middle"),
        (GOOD[:1000], "ends in the middle"),
        (FIRST + header_of(bundle.BLOBS + HEX, 8**11 - 1), "ends in the middle"),
        (
            FIRST + header_of("metadata/timestamp.json", 10**9) + bytes(1024),
            "has 1000000000 bytes, the limit is",
        ),
        (header_of(bundle.HEADER_NAME, 10**9), "has 1000000000 bytes, the limit is"),
        (archive(("metadata/timestamp.json", b"{}")), "it begins with 'metadata/timestamp.json'"),
        (archive((bundle.HEADER_NAME, HEADER), *2 * [(bundle.BLOBS + HEX, b"x")]), "it has two members"),
        (GOOD + b"x", "something follows after its end"),
        (GOOD + bytes(20 * 512), "something follows after its end"),
        (GOOD[:600] + b"x" * 10**4, "is not a plain ustar archive|is damaged"),
        (GOOD[:20] + b"x" + GOOD[21:], "a header of it is damaged"),
        (b"PK\3\4" + bytes(1000), "is not a plain ustar archive"),
        (b"\x1f\x8b" + bytes(1000), "is not a plain ustar archive"),
        (bytes(1024), "is not a plain ustar archive"),
    ],
)
def test_an_archive_that_is_not_whole_or_not_one(data: bytes, words: str):
    with pytest.raises(IntegrityError, match=words):
        read(data)


def test_more_members_than_any_update_has(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bundle, "MEMBERS_MAX", 2)
    with pytest.raises(IntegrityError, match="more than 2 members"):
        read(GOOD)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"format": 2, "version": "1.2.0"}',
        b'{"format": 1}',
        b'{"format": 1, "version": "../x"}',
        b"[" * 9999,
    ],
)
def test_a_first_member_that_makes_no_sense(raw: bytes):
    with pytest.raises(IntegrityError, match=r"makes no sense|of format 2"):
        bundle.parse_version(raw)


def test_a_writer_that_is_given_too_little_says_so():
    with pytest.raises(IntegrityError, match="has 1 bytes, expected 2"):
        bundle.write_member(io.BytesIO(), bundle.BLOBS + HEX, 2, iter([b"x"]))
