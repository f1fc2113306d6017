"""Brings the system calls of one process, as strace recorded them, onto the model of a disk."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from tests.crash.disk import Disk, Node
from tests.crash.strace import Call, text_of

# What is recorded; one that comes up and is not modelled below is an error.
RECORDED = (
    *("open", "openat", "openat2", "creat", "close", "dup", "dup2", "dup3", "fcntl", "lseek"),
    *(
        "write",
        "pwrite64",
        "writev",
        "pwritev",
        "sendfile",
        "copy_file_range",
        "truncate",
        "ftruncate",
        "fallocate",
    ),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
    *("link", "linkat", "symlink", "symlinkat", "fsync", "fdatasync", "sync", "syncfs"),
    *("chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "lchown"),
)
_AT_FDCWD = "AT_FDCWD"
_DESCRIPTOR = re.compile(r"^/proc/(?:\d+|self)/fd/(\d+)")


@dataclass
class _Open:
    node: Node
    position: int = 0
    appends: bool = False


class Replay:
    """One process (its threads share the table of open files) at work on a disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._open: dict[str, _Open] = {}

    def apply(self, call: Call) -> bool:
        """Bring one call onto the disk; returns whether it may have changed what a power cut leaves."""
        changed = bool(getattr(self, f"_{call.name}")(call))
        if changed:
            self._disk.settle_docker()
        return changed

    def sync_all(self) -> None:
        """Sync the whole tree."""
        self._sync_all(self._disk.root)

    # -- open files -------------------------------------------------------------------------------------

    def _openat(self, call: Call) -> bool:
        base, path, flags = call.arguments[0], call.arguments[1], call.arguments[2]
        return self._opened(call, self._base(base), path, flags)

    def _openat2(self, call: Call) -> bool:
        # Only what exists is opened so; the flags are the first field of a structure.
        return self._opened(call, self._base(call.arguments[0]), call.arguments[1], call.arguments[2])

    def _opened(self, call: Call, base: Node | None, path: str, flags: str) -> bool:
        name = text_of(path).decode()
        node = self._find(name, base)
        place = self._parent(name, base)
        changed = False
        if "O_TMPFILE" in flags and node is not None:
            node = Node("file", _masked(call.arguments[-1]), os.geteuid())
        if node is None and place is not None and "O_CREAT" in flags:
            node = Node("file", _masked(call.arguments[-1]), os.geteuid())
            place[0].entries[place[1]] = node
            changed = True
        if node is None:
            self._open.pop(str(call.result), None)
            return False
        if "O_TRUNC" in flags and node.data:
            node.data.clear()
            changed = True
        self._open[str(call.result)] = _Open(node, appends="O_APPEND" in flags)
        return changed

    def _close(self, call: Call) -> bool:
        self._open.pop(call.arguments[0], None)
        return False

    def _dup(self, call: Call) -> bool:
        if call.arguments[0] in self._open:
            self._open[str(call.result)] = self._open[call.arguments[0]]
        return False

    _dup2 = _dup3 = _dup

    def _fcntl(self, call: Call) -> bool:
        return self._dup(call) if "F_DUPFD" in call.arguments[1] else False

    def _lseek(self, call: Call) -> bool:
        if call.arguments[0] in self._open:
            self._open[call.arguments[0]].position = call.result
        return False

    # -- data -------------------------------------------------------------------------------------------

    def _write(self, call: Call) -> bool:
        return self._put(call.arguments[0], text_of(call.arguments[1])[: call.result], None)

    def _pwrite64(self, call: Call) -> bool:
        return self._put(call.arguments[0], text_of(call.arguments[1])[: call.result], int(call.arguments[3]))

    def _sendfile(self, call: Call) -> bool:
        source = self._open.get(call.arguments[1])
        if source is None or call.arguments[0] not in self._open:
            return False
        begin = int(call.arguments[2].split("]")[0].lstrip("[").split(" ")[0])
        return self._put(call.arguments[0], bytes(source.node.data[begin : begin + call.result]), None)

    def _put(self, descriptor: str, data: bytes, position: int | None) -> bool:
        file = self._open.get(descriptor)
        if file is None or not data:
            return False
        if position is None:
            position = len(file.node.data) if file.appends else file.position
            file.position = position + len(data)
        missing = position - len(file.node.data)
        file.node.data.extend(bytes(max(missing, 0)))
        file.node.data[position : position + len(data)] = data
        return True

    def _ftruncate(self, call: Call) -> bool:
        file = self._open.get(call.arguments[0])
        if file is None:
            return False
        size = int(call.arguments[1])
        del file.node.data[size:]
        file.node.data.extend(bytes(size - len(file.node.data)))
        return True

    def _fallocate(self, call: Call) -> bool:
        file = self._open.get(call.arguments[0])
        if file is not None:
            missing = int(call.arguments[2]) + int(call.arguments[3]) - len(file.node.data)
            file.node.data.extend(bytes(max(missing, 0)))
        return file is not None

    def _fsync(self, call: Call) -> bool:
        file = self._open.get(call.arguments[0])
        if file is not None:
            file.node.sync()
        return file is not None

    _fdatasync = _fsync

    def _syncfs(self, call: Call) -> bool:
        self.sync_all()
        return True

    _sync = _syncfs

    def _sync_all(self, node: Node) -> None:
        node.sync()
        for entry in node.entries.values():
            self._sync_all(entry)

    # -- names ------------------------------------------------------------------------------------------

    def _rename(self, call: Call) -> bool:
        return self._renamed(None, call.arguments[0], None, call.arguments[1])

    def _renameat(self, call: Call) -> bool:
        old, new = self._base(call.arguments[0]), self._base(call.arguments[2])
        return self._renamed(old, call.arguments[1], new, call.arguments[3])

    _renameat2 = _renameat

    def _renamed(self, old_base: Node | None, old: str, new_base: Node | None, new: str) -> bool:
        source = self._parent(text_of(old).decode(), old_base)
        target = self._parent(text_of(new).decode(), new_base)
        if source is None or target is None or source[1] not in source[0].entries:
            return False
        target[0].entries[target[1]] = source[0].entries.pop(source[1])
        return True

    def _linkat(self, call: Call) -> bool:
        node = self._find(text_of(call.arguments[1]).decode(), self._base(call.arguments[0]))
        return node is not None and self._made(self._base(call.arguments[2]), call.arguments[3], node)

    def _unlink(self, call: Call) -> bool:
        return self._removed(None, call.arguments[0])

    _rmdir = _unlink

    def _unlinkat(self, call: Call) -> bool:
        return self._removed(self._base(call.arguments[0]), call.arguments[1])

    def _removed(self, base: Node | None, path: str) -> bool:
        place = self._parent(text_of(path).decode(), base)
        return place is not None and place[0].entries.pop(place[1], None) is not None

    def _mkdir(self, call: Call) -> bool:
        return self._made(None, call.arguments[0], Node("directory", _masked(call.arguments[1]), os.geteuid()))

    def _mkdirat(self, call: Call) -> bool:
        base = self._base(call.arguments[0])
        return self._made(base, call.arguments[1], Node("directory", _masked(call.arguments[2]), os.geteuid()))

    def _symlink(self, call: Call) -> bool:
        link = Node("link", 0o777, os.geteuid(), text_of(call.arguments[0]))
        return self._made(None, call.arguments[1], link)

    def _symlinkat(self, call: Call) -> bool:
        link = Node("link", 0o777, os.geteuid(), text_of(call.arguments[0]))
        return self._made(self._base(call.arguments[1]), call.arguments[2], link)

    def _made(self, base: Node | None, path: str, node: Node) -> bool:
        place = self._parent(text_of(path).decode(), base)
        if place is not None:
            place[0].entries[place[1]] = node
        return place is not None

    # -- attributes -------------------------------------------------------------------------------------

    def _chmod(self, call: Call) -> bool:
        return self._attributes(self._find(text_of(call.arguments[0]).decode()), mode=call.arguments[1])

    def _fchmodat(self, call: Call) -> bool:
        base, path = self._base(call.arguments[0]), text_of(call.arguments[1]).decode()
        return self._attributes(self._find(path, base), mode=call.arguments[2])

    def _fchmod(self, call: Call) -> bool:
        file = self._open.get(call.arguments[0])
        return self._attributes(file.node if file else None, mode=call.arguments[1])

    def _chown(self, call: Call) -> bool:
        return self._attributes(self._find(text_of(call.arguments[0]).decode()), uid=call.arguments[1])

    _lchown = _chown

    def _fchown(self, call: Call) -> bool:
        file = self._open.get(call.arguments[0])
        return self._attributes(file.node if file else None, uid=call.arguments[1])

    def _fchownat(self, call: Call) -> bool:
        base, path = self._base(call.arguments[0]), text_of(call.arguments[1]).decode()
        return self._attributes(self._find(path, base), uid=call.arguments[2])

    def _attributes(self, node: Node | None, *, mode: str = "", uid: str = "") -> bool:
        if node is None:
            return False
        node.mode = int(mode, 8) if mode else node.mode
        node.uid = int(uid) if uid else node.uid
        return True

    def _find(self, name: str, base: Node | None = None) -> Node | None:
        """The node of a path; see `_from`."""
        name, base = self._from(name, base)
        return self._disk.find(name, base) if name else base

    def _parent(self, name: str, base: Node | None = None) -> tuple[Node, str] | None:
        """The directory of a path, and its last part; see `_from`."""
        name, base = self._from(name, base)
        return self._disk.parent(name, base) if name else None

    def _from(self, name: str, base: Node | None) -> tuple[str, Node | None]:
        """A path and what it starts from; one below /proc/PID/fd/N starts from what is open there."""
        if found := _DESCRIPTOR.match(name):
            return name[found.end() :].strip("/"), self._base(found[1])
        return name, base

    def _base(self, argument: str) -> Node | None:
        file = self._open.get(argument)
        return file.node if file else None


def _directory(mode: str) -> Node:
    return Node("directory", _masked(mode), os.geteuid())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _masked(argument: str) -> int:
    """The mode of a new file, as the kernel makes it from the requested one."""
    return int(argument, 8) & ~_umask()
