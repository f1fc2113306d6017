"""Files that are replaced whole, with owner and mode, and never through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ota_py.errors import NoSpaceError
from ota_py.gateway.system import files, free_space
from ota_py.gateway.system.files import Attributes

MINE = Attributes(0o640, os.geteuid(), os.getegid())


def test_a_write_replaces_bytes_and_mode_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "file"
    files.write(path, b"one", MINE)
    files.write(path, b"two", Attributes(0o600, MINE.uid, MINE.gid))
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_an_owner_is_set(tmp_path: Path) -> None:
    files.write(tmp_path / "file", b"", Attributes(0o644, 12345, 54321))
    assert Attributes.of(tmp_path / "file") == Attributes(0o644, 12345, 54321)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.write(path, b"old", MINE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpaceError, match="no space left to write"):
        files.write(path, b"new", MINE)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_space_is_asked_for_before_it_is_needed(tmp_path: Path) -> None:
    free_space.require_space(tmp_path / "not" / "yet", 1, "a byte")
    with pytest.raises(NoSpaceError, match=r"everything needs [\d,]+ MiB at .*, [\d,]+ MiB are free"):
        free_space.require_space(tmp_path, 1 << 60, "everything")
