"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota_py import durable


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that make bytes and names durable, in their order; each is really made."""
    noted: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        noted.append("sync directory" if is_directory else f"sync file of {os.fstat(descriptor).st_size}")
        real_fsync(descriptor)

    def replace(source: Path, target: Path) -> None:
        noted.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return noted


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_bytes_are_synced_before_the_name_and_the_name_after(tmp_path: Path, calls: list[str]) -> None:
    durable.replace(tmp_path / "file", b"1234")
    assert calls == ["sync file of 4", "rename", "sync directory"]
    calls.clear()
    with durable.new_file(tmp_path / "new") as file:
        file.write(b"12345")
    assert calls == ["sync file of 5", "sync directory"]
    calls.clear()
    durable.rename(tmp_path / "new", tmp_path / "file")
    assert calls == ["sync file of 5", "rename", "sync directory"]
    assert names(tmp_path) == ["file"]


def test_a_file_is_replaced_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with durable.replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("draft", [None, "file.part"])
def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, draft: str | None) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with (
        contextlib.suppress(KeyboardInterrupt),
        durable.replacing(path, draft=tmp_path / draft if draft else None) as file,
    ):
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_killed_process_leaves_the_old_file_and_its_draft_is_used_again(tmp_path: Path) -> None:
    path, part = tmp_path / "file", tmp_path / "file.part"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys; from pathlib import Path; from ota_py import durable\n"
        "with durable.replacing(Path(sys.argv[1]), draft=Path(sys.argv[2])) as file:\n"
        "    file.write(b'longer than the next one'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, path, part], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert part.exists()
    with durable.replacing(path, draft=part) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_a_wanted_mode_is_exact_and_the_usual_one_is_the_umasks(tmp_path: Path, umask: None) -> None:
    durable.replace(tmp_path / "public", b"", 0o644)
    durable.replace(tmp_path / "usual", b"")
    with durable.new_file(tmp_path / "new"):
        pass
    assert [mode(tmp_path / name) for name in ("public", "usual", "new")] == [0o644, 0o600, 0o600]


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    with durable.new_file(tmp_path / "secret", 0o600) as file:
        assert mode(tmp_path / "secret") == 0o600
        file.write(b"1")
    with durable.replacing(tmp_path / "secret", 0o600) as file:
        file.write(b"2")
        assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    assert mode(tmp_path / "secret") == 0o600


def test_a_link_is_replaced_and_what_it_leads_to_is_not(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    durable.replace(tmp_path / "link", b"new")
    assert (tmp_path / "target").read_bytes() == b"old"
    assert not (tmp_path / "link").is_symlink()


def test_a_new_file_takes_no_name_that_something_has(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError), durable.new_file(tmp_path / name):
            pytest.fail("it was opened")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert not (tmp_path / "nowhere").exists()


def test_a_new_file_that_fails_is_removed(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), durable.new_file(tmp_path / "file") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


@pytest.mark.parametrize(("number", "passes"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_that_syncs_no_directories_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, passes: bool
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if passes:
        durable.replace(tmp_path / "file", b"new")
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            durable.replace(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
