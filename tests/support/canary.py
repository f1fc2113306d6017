"""A canary tree: files of the host that nobody may read or change, with hashes and an inotify watch on them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

SECRET = b"a secret of the host\n"

_IN_NONBLOCK, _IN_CLOEXEC = 0o4000, 0o2000000
# Reads, writes, changed attributes, new and gone names, opens.
_ALL = 0x00000001 | 0x00000002 | 0x00000004 | 0x00000040 | 0x00000080 | 0x00000100 | 0x00000200 | 0x00000020
_EVENT_BYTES = 4096


class Canary:
    """A directory as `/etc` might be: a file, a database, a directory below; watched from now on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "below").mkdir(parents=True, mode=0o700)
        for path in (directory / "file", directory / "below" / "app.conf", directory / "app.conf"):
            path.write_bytes(SECRET)
            path.chmod(0o600)
        self.database = directory / "readings.db"
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute("CREATE TABLE readings (celsius TEXT)")
            database.execute("INSERT INTO readings VALUES (?)", (SECRET.decode(),))
        self._before = self._state()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watch = self._libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        for place in (directory, directory / "below"):
            assert self._libc.inotify_add_watch(self._watch, os.fsencode(place), _ALL) >= 0

    def close(self) -> None:
        """End the watch."""
        os.close(self._watch)

    def check(self) -> None:
        """Assert that nothing was changed, opened or read since the watch began, or since the last check."""
        assert self._events() == b"", "something of the canary was opened, read or changed"
        assert self._state() == self._before
        while self._events():  # of this very look
            pass

    def _events(self) -> bytes:
        try:
            return os.read(self._watch, _EVENT_BYTES)
        except BlockingIOError:
            return b""

    def _state(self) -> list[tuple[Any, ...]]:
        found = []
        for path in sorted([self.directory, *self.directory.rglob("*")]):
            status = path.lstat()
            data = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
            owner = (status.st_uid, status.st_gid)
            found.append((str(path), status.st_mode, owner, status.st_nlink, status.st_mtime_ns, data))
        return found
