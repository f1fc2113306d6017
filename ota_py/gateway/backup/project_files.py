"""The project's own files in a backup: how they are found, saved and restored."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePath

from ota_py.gateway.backup.index import Backup, SavedDirectory, SavedFile, SavedLink
from ota_py.gateway.docker import compose_files
from ota_py.gateway.docker.compose import OVERRIDE_FILE_NAMES
from ota_py.gateway.docker.project import Project
from ota_py.gateway.system import files
from ota_py.gateway.system.beneath import Tree
from ota_py.gateway.system.files import Attributes
from ota_py.hashes import sha256_of_file
from ota_py.manifest import COMPOSE_FILE_NAME
from ota_py.manifest_fields import RESERVED_DIRECTORY

CONFIG_DIRECTORY = "config"
ENVIRONMENT_FILE = ".env"
# Only the updater may read a backup: environment files hold secrets.
PRIVATE = 0o600


@dataclass(frozen=True)
class ProjectPaths:
    """The files, links and directories that belong into a backup: paths relative to the project."""

    files: list[str]
    links: list[str]
    directories: list[str]


class ProjectFiles:
    """The files of one Compose project.

    Args:
        root: the project's directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tree = Tree(root)

    def find(self, project: Project, dests: Collection[str]) -> ProjectPaths:
        """Find the files for a backup: Compose's own and those they name, all of config/, all mounted or written.

        A link is saved as a link; its target is saved, too, where it is a file of the project.
        """
        root = self._root
        own = [root / name for name in (COMPOSE_FILE_NAME, *OVERRIDE_FILE_NAMES)]
        named = {*own, *compose_files.files_of(own), root / ENVIRONMENT_FILE}
        named |= {Path(path) for service in project.services for path in project.files_of(service)}
        found = {*dests, *(path for path, _ in self._tree.walk(CONFIG_DIRECTORY))}
        found |= {str(path.relative_to(root)) for path in named if path.is_relative_to(root)}
        plain, links, directories = set[str](), set[str](), set[str]()
        while found:
            path = found.pop()
            if not _is_ours(path):
                continue
            link = self._tree.first_link(path)
            if link and link not in links:
                links.add(link)
                found |= self._behind(path, link)
            elif link:
                continue
            elif self._tree.is_file(path):
                plain.add(path)
            elif self._tree.is_directory(path) and PurePath(path).is_relative_to(CONFIG_DIRECTORY):
                directories.add(path)
        for path in (*plain, *links):
            directories |= set(_parents(path))
        return ProjectPaths(sorted(plain), sorted(links), sorted(directories))

    def size_of(self, path: str) -> int:
        """Bytes of a file."""
        found = self._tree.file_status(path)
        return found.st_size if found else 0

    def save_file(self, path: str, stored: Path) -> SavedFile:
        """Copy one file into the directory `stored`."""
        with self._tree.opened(path) as source:
            status = os.fstat(source.fileno())
            files.copy_open(source, stored / path, Attributes(PRIVATE, os.geteuid(), os.getegid()))
        mode = stat.S_IMODE(status.st_mode)
        return SavedFile(path, sha256_of_file(stored / path), mode, status.st_uid, status.st_gid)

    def save_link(self, path: str) -> SavedLink:
        """A link and what it says."""
        return SavedLink(path, self._tree.target_of(path))

    def save_directory(self, path: str) -> SavedDirectory:
        """How a directory looks."""
        found = self._tree.attributes(path)
        return SavedDirectory(path, found.mode, found.uid, found.gid)

    def absent(self, dests: Collection[str]) -> tuple[list[str], list[str]]:
        """Of files to be written those that are not there, and the directories that they miss."""
        missing = sorted(dest for dest in dests if self._tree.status(dest) is None)
        parents = {parent for dest in missing for parent in _parents(dest)}
        directories = [parent for parent in parents if self._tree.status(parent) is None]
        return missing, sorted(directories, key=lambda path: (-path.count("/"), path))

    def restore(self, backup: Backup, stored: Path, obsolete: Collection[str] = ()) -> None:
        """Write back every file that differs, with owner and mode, and remove later files.

        Args:
            stored: the directory of the backup's copies.
            obsolete: further files to remove.
        """
        tree = self._tree
        for directory in sorted(backup.directories, key=lambda saved: saved.path):
            tree.ensure_directory(directory.path, Attributes(directory.mode, directory.uid, directory.gid))
        for saved in backup.files:
            if (link := tree.first_link(saved.path)) is not None:
                tree.remove(link)
            wanted = Attributes(saved.mode, saved.uid, saved.gid)
            same = tree.file_status(saved.path) is not None and tree.attributes(saved.path) == wanted
            if not same or tree.sha256_of(saved.path) != saved.sha256:
                tree.copy(stored / saved.path, saved.path, wanted)
        for saved_link in backup.links:
            tree.ensure_link(saved_link.path, saved_link.target)
        for path in (*backup.absent, *obsolete):
            tree.remove(path)
        written = (*(saved.path for saved in backup.files), *backup.absent)
        for parent in sorted({str(PurePath(path).parent) for path in written}):
            tree.remove_drafts(parent)
        for path in backup.absent_directories:
            tree.remove_empty(path)

    def _behind(self, path: str, link: str) -> set[str]:
        """The path that `path` stands for by its first link, where that is in the project. Pure, but for the link."""
        root = Path(os.path.realpath(self._root))
        target = root / PurePath(link).parent / self._tree.target_of(link) / PurePath(path).relative_to(link)
        real = Path(os.path.normpath(target))
        return next(({str(real.relative_to(base))} for base in (root, self._root) if real.is_relative_to(base)), set())


def _parents(path: str) -> list[str]:
    """The directories that a path is in, below the project, the outermost first."""
    return [str(parent) for parent in reversed(PurePath(path).parents) if parent.parts]


def _is_ours(path: str) -> bool:
    parts = PurePath(path).parts
    return bool(parts) and ".." not in parts and parts[0] != RESERVED_DIRECTORY
