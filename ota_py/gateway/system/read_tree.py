"""Files below a directory that a service may write to, looked at and read: by descriptors, through no link.

Whoever may write to a directory can put a link in the place of anything in it, also between a check and a use. So
nothing there is opened by its path: openat2(2) resolves it beneath the descriptor of the root and refuses links;
where the kernel is older than 5.6, each component is opened from the one above with O_NOFOLLOW (openat.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import IO, TypeVar

from ota_py.errors import NotFoundError, OtaError, PolicyError
from ota_py.gateway.system import files, openat
from ota_py.gateway.system.files import Attributes
from ota_py.hashes import sha256_of_open

T = TypeVar("T")


def read_plain(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of a plain file whose links are its owner's, and followed; no pipe is waited for.

    Raises:
        OSError: it cannot be read, or is no plain file.
    """
    with _opened_plain(path) as file:
        return file.read(limit)


def sha256_of_plain(path: Path) -> str:
    """The SHA-256 of a plain file, in hex; links and errors as of `read_plain`."""
    with _opened_plain(path) as file:
        return sha256_of_open(file)


@contextlib.contextmanager
def _opened_plain(path: Path) -> Iterator[IO[bytes]]:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        with open(f"/proc/self/fd/{place}", "rb") as file:
            yield file
    finally:
        os.close(place)


class ReadTree:
    """What lies below one directory, by paths relative to it.

    Args:
        root: the directory itself; links on the way to it are its owner's, and followed.

    Every method raises:
        PolicyError: a link is on the way, or something that is no plain file is in a file's place.
        NoSpaceError, OtaError: the system's errors, with the path.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    # -- looking ----------------------------------------------------------------------------------------

    def status(self, path: str | PurePath) -> os.stat_result | None:
        """The status of what is there, of a link itself; None where there is nothing."""
        with self._translated(path):
            try:
                if not PurePath(path).parts:
                    return os.stat(self.root)
                with self._parent(path) as (parent, name):
                    return os.stat(name, dir_fd=parent, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def file_status(self, path: str | PurePath) -> os.stat_result | None:
        """The status of the plain file that is there; None where there is nothing.

        Raises:
            PolicyError: something else is there.
        """
        found = self.status(path)
        if found is None or stat.S_ISREG(found.st_mode):
            return found
        if stat.S_ISLNK(found.st_mode):
            raise self._refusal(path)
        kind = "a directory" if stat.S_ISDIR(found.st_mode) else "no plain file"
        raise PolicyError(f"{self.root / path} is {kind}, expected a plain file")

    def is_file(self, path: str | PurePath) -> bool:
        """Whether a plain file is there."""
        found = self.status(path)
        return found is not None and stat.S_ISREG(found.st_mode)

    def is_directory(self, path: str | PurePath) -> bool:
        """Whether a directory is there."""
        found = self.status(path)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def is_link(self, path: str | PurePath) -> bool:
        """Whether a symbolic link is there."""
        found = self.status(path)
        return found is not None and stat.S_ISLNK(found.st_mode)

    def first_link(self, path: str | PurePath) -> str | None:
        """The first component of `path` that is a symbolic link now, as a path from the root; None where none is."""
        parts = PurePath(path).parts
        for number in range(1, len(parts) + 1):
            prefix = "/".join(parts[:number])
            found = self.status(prefix)
            if found is None:
                return None
            if stat.S_ISLNK(found.st_mode):
                return prefix
        return None

    def attributes(self, path: str | PurePath) -> Attributes:
        """Owner and mode of a file or directory.

        Raises:
            NotFoundError: nothing is there.
        """
        found = self.status(path)
        if found is None:
            raise NotFoundError(f"{self.root / path} does not exist")
        return Attributes(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)

    def target_of(self, path: str | PurePath) -> str:
        """What a symbolic link says."""
        with self._translated(path), self._parent(path) as (parent, name):
            return os.readlink(name, dir_fd=parent)

    def names(self, path: str | PurePath = ".") -> list[str]:
        """The names in a directory, sorted; none where there is no directory."""
        with self._translated(path):
            try:
                descriptor = self._open(path, os.O_RDONLY | os.O_DIRECTORY)
            except (FileNotFoundError, NotADirectoryError):
                return []
            try:
                return sorted(os.listdir(descriptor))
            finally:
                os.close(descriptor)

    def walk(self, path: str | PurePath = ".") -> Iterator[tuple[str, os.stat_result]]:
        """Everything below a directory, with its status; the content of links is left out."""
        for name in self.names(path):
            inside = str(PurePath(path, name))
            found = self.status(inside)
            if found is None:
                continue
            yield inside, found
            if stat.S_ISDIR(found.st_mode):
                yield from self.walk(inside)

    @contextlib.contextmanager
    def opened(self, path: str | PurePath) -> Iterator[IO[bytes]]:
        """A plain file, open for reading: no device is touched, and no pipe waited for.

        Raises:
            NotFoundError: nothing is there.
        """
        with self._translated(path):
            try:
                place = self._open(path, os.O_PATH)
            except (FileNotFoundError, NotADirectoryError):
                raise NotFoundError(f"{self.root / path} does not exist") from None
            try:
                if not stat.S_ISREG(os.fstat(place).st_mode):
                    raise PolicyError(f"{self.root / path} is not a plain file")
                file = open(f"/proc/self/fd/{place}", "rb")  # noqa: SIM115 (closed below)
            finally:
                os.close(place)
        with file:
            yield file

    def read(self, path: str | PurePath) -> bytes:
        """The bytes of a plain file; see `opened`."""
        with self.opened(path) as file:
            return file.read()

    def sha256_of(self, path: str | PurePath) -> str:
        """The SHA-256 of a plain file, in hex; see `opened`."""
        with self.opened(path) as file:
            return sha256_of_open(file)

    @contextlib.contextmanager
    def directory(self, path: str | PurePath = ".") -> Iterator[Path]:
        """A directory by a path that stays what it is, for programs that are started meanwhile.

        Raises:
            NotFoundError: nothing is there.
        """
        with self._translated(path):
            try:
                descriptor = self._open(path, openat.DIRECTORY)
            except FileNotFoundError:
                raise NotFoundError(f"{self.root / path} does not exist") from None
        try:
            yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def confined(self, path: str | PurePath, act: Callable[[Path], T]) -> T:
        """Run `act` in a thread for which the root of this tree is the root of all paths.

        For libraries that open files by path, such as SQLite: no link can lead them out. Without the rights of root
        `act` gets the plain path, since it could then do nothing that its user may not do anyway.

        Args:
            act: gets the path as it must be given there; it must import nothing and open nothing else by path.
        """
        if os.geteuid() != 0:
            return act(self.root / path)

        def run() -> T:
            openat.unshare_file_system()
            with self.directory() as root:
                os.chroot(root)
            os.chdir("/")
            return act(Path("/") / path)

        # A thread of its own, which ends here: there is no other way back from a root.
        with ThreadPoolExecutor(1, thread_name_prefix="confined") as thread:
            return thread.submit(run).result()

    # -- descriptors ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _parent(self, path: str | PurePath) -> Iterator[tuple[int, str]]:
        """The descriptor of the directory that `path` is in, and its last component."""
        pure = PurePath(path)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            raise PolicyError(f"{path} is not a path below {self.root}")
        descriptor = self._open(pure.parent, openat.DIRECTORY)
        try:
            yield descriptor, pure.name
        finally:
            os.close(descriptor)

    def _open(self, path: str | PurePath, flags: int) -> int:
        root = self._root_descriptor()
        try:
            return openat.open_beneath(root, str(path), flags | os.O_CLOEXEC)
        finally:
            os.close(root)

    def _root_descriptor(self) -> int:
        return os.open(self.root, openat.DIRECTORY)

    @contextlib.contextmanager
    def _translated(self, path: str | PurePath) -> Iterator[None]:
        with files.translated(self.root / path):
            try:
                yield
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                raise self._refusal(path) from None

    def _refusal(self, path: str | PurePath) -> PolicyError:
        try:
            link = self.first_link(path)
        except (OSError, OtaError):
            link = None
        return PolicyError(
            f"{self.root / (link or path)} is a symbolic link; an update writes plain files only",
            hint="replace the link on this gateway by the file itself",
        )
