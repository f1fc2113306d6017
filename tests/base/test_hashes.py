"""One way to each hash: bytes, files and pieces of the same content have the same one."""

from __future__ import annotations

from pathlib import Path

from ota_py import hashes

# From FIPS 180-4's examples.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_bytes_files_and_pieces_agree(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"abc")
    assert hashes.sha256_of(b"abc") == ABC
    assert hashes.sha256_of_file(tmp_path / "file") == ABC
    assert hashes.sha256_of_file(str(tmp_path / "file")) == ABC
    assert hashes.sha256_of_pieces(iter([b"a", b"", b"bc"])) == ABC
    assert hashes.digest_of(b"abc") == f"sha256:{ABC}"


def test_a_file_is_read_to_its_end(tmp_path: Path):
    data = b"\x00\xff" * (3 * 1024 * 1024)
    (tmp_path / "file").write_bytes(data)
    assert hashes.sha256_of_file(tmp_path / "file") == hashes.sha256_of(data)
