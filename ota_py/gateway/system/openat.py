"""System calls that open, make and name files relative to a directory's descriptor, through no link."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import stat
from pathlib import PurePath

from ota_py.gateway.system import failpoints

DRAFT_PREFIX = ".ota-"
DRAFT_SUFFIX = ".ota-new"
# A directory of which nothing is read, only what is below it opened.
DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

_SYS_OPENAT2 = 437  # the same number on every architecture
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x02, 0x04, 0x08
_CLONE_FS = 0x00000200
# What a file system without O_TMPFILE answers.
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(root: int, path: str, flags: int) -> int:
    """Open a path below a directory through no link; an OSError ELOOP says that one is on the way."""
    how = _OpenHow(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS)
    descriptor = _openat2(root, path, how)
    if descriptor is not None:
        return descriptor
    return _open_by_components(root, path, flags)


def _openat2(root: int, path: str, how: _OpenHow) -> int | None:
    """The descriptor of openat2(2); None where the kernel, or a filter of system calls, does not have it."""
    libc = ctypes.CDLL(None, use_errno=True)
    while True:
        found = libc.syscall(_SYS_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            return int(found)
        number = ctypes.get_errno()
        if number in (errno.ENOSYS, errno.EPERM):
            return None
        if number == errno.EXDEV:  # it would have left the root
            number = errno.ELOOP
        if number not in (errno.EINTR, errno.EAGAIN):  # EAGAIN: something was renamed meanwhile
            raise OSError(number, os.strerror(number), path)


def _open_by_components(root: int, path: str, flags: int) -> int:
    """As `open_beneath`, one component after the other."""
    parts = [part for part in PurePath(path).parts if part != "."]
    if ".." in parts or path.startswith("/"):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    above = os.dup(root)
    try:
        for part in parts[:-1]:
            below = _open_one(part, DIRECTORY, above)
            os.close(above)
            above = below
        return _open_one(parts[-1] if parts else ".", flags, above)
    finally:
        os.close(above)


def _open_one(name: str, flags: int, above: int) -> int:
    try:
        descriptor = os.open(name, flags | os.O_NOFOLLOW, dir_fd=above)
    except NotADirectoryError:
        raise link_or_file(name, above) from None
    if flags & os.O_PATH and stat.S_ISLNK(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
    return descriptor


def link_or_file(name: str, above: int) -> OSError:
    """What openat(2) means by "not a directory" for a component that is not to be followed."""
    is_link = stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    number = errno.ELOOP if is_link else errno.ENOTDIR
    return OSError(number, os.strerror(number), name)


def new_file(parent: int) -> tuple[int, str]:
    """A new file for writing, and its name in `parent`; with an empty name where it needs none yet."""
    try:
        return os.open(f"/proc/self/fd/{parent}", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600), ""
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
    name = draft_name()
    flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=parent), name


def named(descriptor: int, parent: int) -> str:
    """Give a nameless file a name that is new; returns it."""
    name = draft_name()
    os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=parent, follow_symlinks=True)
    return name


def forget(draft: str, parent: int) -> None:
    """Remove a draft that will not be renamed, if it has a name."""
    if draft:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=parent)


def draft_name() -> str:
    """A name for something new that nobody can foresee."""
    return f"{DRAFT_PREFIX}{secrets.token_hex(8)}{DRAFT_SUFFIX}"


def sync_directory(descriptor: int) -> None:
    """Bring the names in a directory to the disk; the descriptor may be one that only stands for it."""
    readable = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with failpoints.around("file.sync"):
            os.fsync(readable)
    finally:
        os.close(readable)


def unshare_file_system() -> None:
    """Give this thread a root and a working directory of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_FS):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
