"""Files that survive a power cut: written aside, synced, renamed, and their directory synced.

All that the gateway's software changes on the disk goes through here (the journal's own file aside), so
that each change is a failpoint (failpoints.py) and each of the system's errors one of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ota_py import durable
from ota_py.errors import NoSpaceError, OtaError
from ota_py.gateway.system import failpoints

DRAFT_SUFFIX = ".ota-new"
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Attributes:
    """Permission bits and owner of a file."""

    mode: int
    uid: int
    gid: int

    @classmethod
    def of(cls, path: Path) -> Attributes:
        """The attributes of an existing file."""
        status = path.stat()
        return cls(status.st_mode & 0o7777, status.st_uid, status.st_gid)


def write(path: Path, data: bytes, attributes: Attributes) -> None:
    """Replace `path` by `data`: a reader, or a power cut, sees the old bytes or the new ones.

    Raises:
        NoSpaceError: the disk is full; the old file is as it was.
    """
    make_directory(path.parent)
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    with translated(path), failpoints.around("file.write"):
        try:
            with open(draft, "wb") as file:
                file.write(data)
            _dress(draft, attributes)
            sync(draft)
        except (OSError, OtaError):
            draft.unlink(missing_ok=True)
            raise
    rename(draft, path)


def copy(source: Path, path: Path, attributes: Attributes) -> None:
    """Replace `path` by a copy of `source`, of any size, with the guarantees of `write`."""
    with translated(path), open(source, "rb") as file:
        copy_open(file, path, attributes)


def copy_open(source: IO[bytes], path: Path, attributes: Attributes) -> None:
    """Replace `path` by the rest of an open file, with the guarantees of `write`."""
    make_directory(path.parent)
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    with translated(path), failpoints.around("file.copy"):
        try:
            with open(draft, "wb") as file:
                shutil.copyfileobj(source, file, CHUNK_BYTES)
            _dress(draft, attributes)
            sync(draft)
        except (OSError, OtaError):
            draft.unlink(missing_ok=True)
            raise
    rename(draft, path)


@contextlib.contextmanager
def produced(path: Path) -> Iterator[None]:
    """Sync the file `path` after the block, in which another program (SQLite, tar) makes it.

    Its name is not made durable: a caller that relies on the name syncs the directory.

    Raises:
        NoSpaceError: the disk is full.
    """
    with translated(path), failpoints.around("file.produce"):
        yield
        sync(path)


@contextlib.contextmanager
def create(path: Path) -> Iterator[IO[bytes]]:
    """The new file `path`, open for writing; see `produced`."""
    with produced(path), open(path, "wb") as file:
        yield file


@contextlib.contextmanager
def extend(path: Path) -> Iterator[IO[bytes]]:
    """A file, made where it does not exist, open for adding to its end; nothing is durable before `sync`."""
    with translated(path), failpoints.around("file.extend"), open(path, "ab") as file:
        yield file


def allocate(path: Path, size: int) -> None:
    """Make a file that takes up `size` bytes on the disk, whatever is in it.

    Raises:
        NoSpaceError: the bytes are not free; nothing is left of the file.
    """
    try:
        with create(path) as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OtaError:
        path.unlink(missing_ok=True)
        raise


def remove_draft(path: Path) -> None:
    """Remove the draft that a killed `write` or `copy` of `path` left behind."""
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    if os.path.lexists(draft):
        remove(draft)


def rename(source: Path, target: Path) -> None:
    """Rename a file, and make the new name durable."""
    with translated(target), failpoints.around("file.rename"):
        os.replace(source, target)
    sync(target.parent)


def remove(path: Path) -> None:
    """Remove a file where it exists, and make the removal durable."""
    with translated(path), failpoints.around("file.remove"):
        path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync(path.parent)


def remove_empty(path: Path) -> None:
    """Remove a directory if it is there and empty, and make the removal durable."""
    with translated(path), failpoints.around("file.rmdir"):
        try:
            path.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
    if path.parent.is_dir():
        sync(path.parent)


def remove_tree(path: Path) -> None:
    """Remove a directory with all that is in it, as far as that is possible: for working copies."""
    with translated(path), failpoints.around("file.remove_tree"):
        shutil.rmtree(path, ignore_errors=True)


def set_mode(path: Path, mode: int) -> None:
    """Set the permission bits of a file or directory."""
    with translated(path), failpoints.around("file.chmod"):
        os.chmod(path, mode)


def link(path: Path, target: Path) -> None:
    """Make the symbolic link `path`; for working copies, so it is not synced."""
    with translated(path), failpoints.around("file.link"):
        path.symlink_to(target)


def ensure_link(path: Path, target: str) -> None:
    """Make `path` the symbolic link to `target`, durably; an existing file or link is replaced."""
    if path.is_symlink() and os.readlink(path) == target:
        return
    make_directory(path.parent)
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    with translated(path), failpoints.around("file.link"):
        draft.unlink(missing_ok=True)
        draft.symlink_to(target)
    rename(draft, path)


def ensure_directory(path: Path, attributes: Attributes) -> None:
    """Make a directory where there is none, and give it the owner and mode of `attributes`."""
    make_directory(path)
    if Attributes.of(path) != attributes:
        with translated(path), failpoints.around("file.chmod"):
            _dress(path, attributes)


def sync_all() -> None:
    """Bring all that any program has written to the disk."""
    with failpoints.around("file.sync_all"):
        os.sync()


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file, durably; a power cut may leave a part of it."""
    with translated(path), failpoints.around("file.append"):
        with open(path, "ab") as file:
            file.write(data)
        sync(path)


def make_directory(path: Path, mode: int = 0o777) -> None:
    """Make a directory, and its parents, each durable in the one above it.

    Args:
        mode: its permission bits, the process's umask taken off; parents have the usual ones.
    """
    if path.is_dir():
        return
    make_directory(path.parent)
    with translated(path), failpoints.around("file.mkdir"):
        path.mkdir(mode=mode, exist_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file's bytes, or a directory's names, to the disk."""
    with translated(path), failpoints.around("file.sync"):
        durable.sync(path)


def sync_file_system(path: Path) -> None:
    """Bring all of the file system of `path` to the disk; all file systems where `path` is not visible here."""
    with translated(path), failpoints.around("file.sync_file_system"):
        if not path.is_dir():
            os.sync()
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        finally:
            os.close(descriptor)


def dress_open(descriptor: int, attributes: Attributes) -> None:
    """Give an open file or directory this owner and mode."""
    # The owner first: changing it clears set-id bits.
    if (os.geteuid(), os.getegid()) != (attributes.uid, attributes.gid):
        os.fchown(descriptor, attributes.uid, attributes.gid)
    os.fchmod(descriptor, attributes.mode)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the system's errors about `path` into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(f"no space left to write {path}", hint="free some space and try again") from None
        raise OtaError(f"cannot write {path}: {error.strerror or error}") from None


def _dress(path: Path, attributes: Attributes) -> None:
    # The owner first: changing it clears set-id bits.
    if (os.geteuid(), os.getegid()) != (attributes.uid, attributes.gid):
        os.chown(path, attributes.uid, attributes.gid)
    os.chmod(path, attributes.mode)
