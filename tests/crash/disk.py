"""A model of a disk: what of a directory tree would be there if the power went now.

Data of a file is on the disk since the file was last synced, and a name since its directory was: all
else may be lost, which is the worst that POSIX allows. In the style of ALICE and CrashMonkey, but small.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

# Rebuilt by SQLite from the log; nothing in it is meant to outlive a reboot.
_VOLATILE_SUFFIX = "-shm"
# The simulated Docker's own state is on the disk at once: the real one cares for its own.
_DOCKER = ("docker.json", "docker.draft")


class Node:
    """A file, a directory or a symbolic link; `synced` is what of it the disk has."""

    def __init__(self, kind: str, mode: int, uid: int, data: bytes = b"") -> None:
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.data = bytearray(data)
        self.entries: dict[str, Node] = {}
        self.synced_data = b""
        self.synced_mode, self.synced_uid = mode, uid
        self.synced_entries: dict[str, Node] = {}

    def sync(self) -> None:
        """fsync: its bytes and attributes, or a directory's names."""
        self.synced_data = bytes(self.data)
        self.synced_mode, self.synced_uid = self.mode, self.uid
        self.synced_entries = dict(self.entries)


class Disk:
    """The tree below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = _load(directory)

    def find(self, path: str, base: Node | None = None) -> Node | None:
        """The node of a path, relative to `base` or absolute; None outside the tree or where nothing is."""
        parts = self._parts(path, base)
        node: Node | None = (base or self.root) if parts is not None else None
        for part in parts or ():
            node = node.entries.get(part) if node else None
        return node

    def parent(self, path: str, base: Node | None = None) -> tuple[Node, str] | None:
        """The directory of a path, and its last part; None outside the tree."""
        head, _, name = path.rstrip("/").rpartition("/")
        if not head and base is not None:
            return base, name
        directory = self.find(head, base)
        return (directory, name) if directory is not None else None

    def _parts(self, path: str, base: Node | None) -> list[str] | None:
        if base is not None and not path.startswith("/"):
            return [part for part in path.split("/") if part not in ("", ".")]
        inside = Path(path)
        if not inside.is_relative_to(self.directory):
            return None
        return list(inside.relative_to(self.directory).parts)

    def settle_docker(self) -> None:
        """Sync all that the simulated Docker wrote."""
        for name in _DOCKER:
            if name in self.root.entries:
                self.root.entries[name].sync()
                self.root.synced_entries[name] = self.root.entries[name]
            else:
                self.root.synced_entries.pop(name, None)

    def walk(self, *, names_kept: bool) -> Iterator[tuple[str, Node]]:
        """The nodes that a power cut would leave, by relative path, directories first.

        Args:
            names_kept: names reached the disk at once, data did not: the other order that happens.
        """
        waiting = [("", self.root)]
        while waiting:
            path, node = waiting.pop()
            if path:
                yield path, node
            entries = node.entries if names_kept else node.synced_entries
            for name in sorted(entries):
                if not name.endswith(_VOLATILE_SUFFIX):
                    waiting.append((f"{path}/{name}" if path else name, entries[name]))

    def digest(self, *, names_kept: bool) -> str:
        """The hash of the tree that a power cut would leave."""
        digest = hashlib.sha256()
        for path, node in sorted(self.walk(names_kept=names_kept), key=lambda found: found[0]):
            content = bytes(node.data) if node.kind == "link" else node.synced_data
            attributes = f"{path} {node.kind} {node.synced_mode} {node.synced_uid} {len(content)} "
            digest.update(attributes.encode() + content)
        return digest.hexdigest()

    def write(self, directory: Path, *, names_kept: bool) -> None:
        """Lay out the tree that a power cut would leave."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for path, node in self.walk(names_kept=names_kept):
            target = directory / path
            if node.kind == "link":
                target.symlink_to(bytes(node.data).decode())
                continue
            if node.kind == "directory":
                target.mkdir(exist_ok=True)
            else:
                target.write_bytes(node.synced_data)
            if node.synced_uid != os.geteuid():
                os.chown(target, node.synced_uid, -1)
            os.chmod(target, node.synced_mode)


def _load(path: Path) -> Node:
    """The model of an existing tree, all of it synced."""
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        node = Node("link", mode, status.st_uid, os.readlink(path).encode())
    elif stat.S_ISDIR(status.st_mode):
        node = Node("directory", mode, status.st_uid)
        node.entries = {entry.name: _load(entry) for entry in path.iterdir()}
    else:
        node = Node("file", mode, status.st_uid, path.read_bytes())
    node.sync()
    return node
