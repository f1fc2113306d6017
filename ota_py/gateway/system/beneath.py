"""Files below a directory that a service may write to, changed: by descriptors, through no link.

A new file is written without a name (O_TMPFILE), else under a name that is new and cannot be foreseen; owner and
mode are set by its descriptor, and a rename, which follows no link, gives it its place. Each effect is a failpoint,
and named as in files.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Collection
from pathlib import Path, PurePath
from typing import IO, Any

from ota_py.errors import OtaError, PolicyError
from ota_py.gateway.system import failpoints, files, openat
from ota_py.gateway.system.files import Attributes
from ota_py.gateway.system.openat import DRAFT_PREFIX, DRAFT_SUFFIX
from ota_py.gateway.system.read_tree import ReadTree

_REFILL_PREFIX = ".ota-restore-"
# As many as the kernel follows.
_LINKS_MAX = 40


class Tree(ReadTree):
    """What lies below one directory, by paths relative to it; see `ReadTree` for what every method raises."""

    def write(self, path: str | PurePath, data: bytes, attributes: Attributes) -> None:
        """Replace a file by `data`; a reader, or a power cut, sees the old bytes or the new ones."""
        self._replace(path, "file.write", lambda file: file.write(data), attributes)

    def copy(self, source: Path, path: str | PurePath, attributes: Attributes) -> None:
        """Replace a file by a copy of `source`, which no service can write, with the guarantees of `write`."""

        def fill(file: IO[bytes]) -> None:
            with open(source, "rb") as opened:
                shutil.copyfileobj(opened, file, files.CHUNK_BYTES)

        self._replace(path, "file.copy", fill, attributes)

    def make_directory(self, path: str | PurePath) -> None:
        """Make a directory, and its parents, each durable in the one above it."""
        parts = PurePath(path).parts
        with contextlib.ExitStack() as stack, self._translated(path):
            above = self._root_descriptor()
            stack.callback(os.close, above)
            for part in parts:
                try:
                    below = os.open(part, openat.DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
                except FileNotFoundError:
                    with failpoints.around("file.mkdir"), contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=above)
                    openat.sync_directory(above)
                    below = os.open(part, openat.DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
                except NotADirectoryError:
                    raise openat.link_or_file(part, above) from None
                stack.callback(os.close, below)
                above = below

    def ensure_directory(self, path: str | PurePath, attributes: Attributes) -> None:
        """Make a directory with this owner and mode; a link in its place goes."""
        if (link := self.first_link(path)) is not None:
            self.remove(link)
        self.make_directory(path)
        if self.attributes(path) == attributes:
            return
        with self._translated(path):
            descriptor = self._open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with failpoints.around("file.chmod"):
                    files.dress_open(descriptor, attributes)
            finally:
                os.close(descriptor)

    def ensure_link(self, path: str | PurePath, target: str) -> None:
        """Make the symbolic link that says `target`, durably; what is there now is replaced."""
        if self.is_link(path) and self.target_of(path) == target:
            return
        self.make_directory(PurePath(path).parent)
        with self._translated(path), self._parent(path) as (parent, name):
            draft = openat.draft_name()
            with failpoints.around("file.link"):
                os.symlink(target, draft, dir_fd=parent)
            self._rename(parent, draft, name)

    def remove(self, path: str | PurePath) -> None:
        """Remove a file or link where it exists, and make that durable."""
        with self._translated(path):
            try:
                with self._parent(path) as (parent, name):
                    with failpoints.around("file.remove"), contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=parent)
                    openat.sync_directory(parent)
            except (FileNotFoundError, NotADirectoryError):
                return

    def remove_empty(self, path: str | PurePath) -> None:
        """Remove a directory if it is there and empty, and make that durable."""
        with self._translated(path):
            try:
                with self._parent(path) as (parent, name):
                    with failpoints.around("file.rmdir"):
                        try:
                            os.rmdir(name, dir_fd=parent)
                        except OSError as error:
                            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.ENOTDIR):
                                raise
                    openat.sync_directory(parent)
            except (FileNotFoundError, NotADirectoryError):
                return

    def refill(self, path: str | PurePath, fill: Callable[[Path], None]) -> None:
        """Put into a directory, which is empty, what `fill` puts into a private one; a link in it leads nothing out.

        The private directory lies where no service sees it, on the same file system: beside the root of the tree, or
        in the directory itself where that is a file system of its own. Owner, mode and attributes are taken over, too.
        """
        with self._translated(path), contextlib.ExitStack() as stack:
            target = self._open(path, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, target)
            beside = self.root.parent.stat().st_dev == os.fstat(target).st_dev
            where = self.root.parent if beside else f"/proc/self/fd/{target}"
            place = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, place)
            for name in os.listdir(place):
                if name.startswith(_REFILL_PREFIX):  # of a try that was killed
                    shutil.rmtree(name, dir_fd=place)
            name = f"{_REFILL_PREFIX}{secrets.token_hex(8)}"
            with failpoints.around("file.mkdir"):
                os.mkdir(name, 0o700, dir_fd=place)
            stack.callback(shutil.rmtree, name, ignore_errors=True, dir_fd=place)
            source = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
            stack.callback(os.close, source)
            fill(Path(f"/proc/{os.getpid()}/fd/{source}"))
            with failpoints.around("file.refill"):
                status = os.fstat(source)
                for entry in sorted(os.listdir(source)):
                    _move(entry, source, target)
                files.dress_open(target, Attributes(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid))
                for attribute in os.listxattr(source):
                    os.setxattr(target, attribute, os.getxattr(source, attribute))
                os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def remove_drafts(self, path: str | PurePath = ".") -> None:
        """Remove what a `write`, `copy` or `ensure_link` into a directory left when it was killed."""
        for name in self.names(path):
            if name.startswith(DRAFT_PREFIX) and name.endswith(DRAFT_SUFFIX):
                self.remove(PurePath(path, name))

    def _replace(
        self, path: str | PurePath, point: str, fill: Callable[[IO[bytes]], Any], attributes: Attributes
    ) -> None:
        self.make_directory(PurePath(path).parent)
        with self._translated(path), self._parent(path) as (parent, name):
            with failpoints.around(point):
                descriptor, draft = openat.new_file(parent)
                try:
                    with os.fdopen(os.dup(descriptor), "wb") as file:
                        fill(file)
                    files.dress_open(descriptor, attributes)
                    with failpoints.around("file.sync"):
                        os.fsync(descriptor)
                    if not draft:
                        draft = openat.named(descriptor, parent)
                except (OSError, OtaError):
                    openat.forget(draft, parent)
                    raise
                finally:
                    written = os.fstat(descriptor)
                    os.close(descriptor)
            self._rename(parent, draft, name)
            there = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if (there.st_dev, there.st_ino) != (written.st_dev, written.st_ino):
                raise PolicyError(f"{self.root / path} was exchanged while it was written")

    def _rename(self, parent: int, old: str, new: str) -> None:
        with failpoints.around("file.rename"):
            os.rename(old, new, src_dir_fd=parent, dst_dir_fd=parent)
        openat.sync_directory(parent)


def locate(path: Path, writable: Collection[Path]) -> tuple[Tree, str]:
    """The tree that holds `path`, and the path below its root.

    Links are followed as far as services have no hand in them: up to the outermost directory of `writable`.

    Args:
        path: absolute.
        writable: real paths of directories that services may write to.

    Raises:
        PolicyError: links lead round in a ring.
    """
    real, waiting = Path("/"), list(path.parts[1:])
    links = 0
    while True:
        held = [place for place in writable if real.is_relative_to(place)]
        # The way up from a mounted directory itself is the owner's: no service can turn it.
        if held and not (waiting[:1] == [".."] and set(held) == {real}):
            root = min(held, key=lambda place: len(place.parts))
            return Tree(root), str(PurePath(real.relative_to(root), *waiting))
        if not waiting:
            return Tree(real.parent), real.name
        part = waiting.pop(0)
        if part == "..":
            real = real.parent
        elif (real / part).is_symlink():
            links += 1
            if links > _LINKS_MAX:
                raise PolicyError(f"{path} leads through more than {_LINKS_MAX} symbolic links")
            target = PurePath(os.readlink(real / part))
            real = Path("/") if target.is_absolute() else real
            waiting = [*(target.parts[1:] if target.is_absolute() else target.parts), *waiting]
        else:
            real = real / part


def _move(name: str, source: int, target: int) -> None:
    """Move an entry from one open directory to another; a mount point that is there already stays."""
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY, errno.EEXIST):
            raise
        os.rmdir(name, dir_fd=source)  # empty in the archive, since it was another file system
