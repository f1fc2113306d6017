"""The project's own files in a backup: how they are found, saved and restored."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ota_py.gateway.backup.index import Backup, SavedDirectory, SavedFile, SavedLink
from ota_py.gateway.docker import compose_files
from ota_py.gateway.docker.compose import OVERRIDE_FILE_NAMES
from ota_py.gateway.docker.project import Project
from ota_py.gateway.system import files
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

    def find(self, project: Project, dests: Collection[str]) -> ProjectPaths:
        """Find the files for a backup: Compose's own and those they name, all of config/, all mounted or written.

        A link is saved as a link; its target is saved, too, where it is a file of the project.
        """
        root = self._root
        own = [root / name for name in (COMPOSE_FILE_NAME, *OVERRIDE_FILE_NAMES)]
        found = {*own, *compose_files.files_of(own), root / ENVIRONMENT_FILE}
        found |= {root / dest for dest in dests}
        found |= set((root / CONFIG_DIRECTORY).rglob("*"))
        found |= {Path(path) for service in project.services for path in project.files_of(service)}
        plain, links, directories = set[Path](), set[Path](), set[Path]()
        while found:
            path = found.pop()
            if not self._is_ours(path):
                continue
            link = next((p for p in self._prefixes(path) if p.is_symlink()), None)
            if link and link not in links:
                links.add(link)
                real = Path(os.path.realpath(path))
                real_root = Path(os.path.realpath(root))
                if real.is_relative_to(real_root):
                    found.add(root / real.relative_to(real_root))
            elif link:
                continue
            elif path.is_file():
                plain.add(path)
            elif path.is_dir() and path.is_relative_to(root / CONFIG_DIRECTORY):
                directories.add(path)
        for path in (*plain, *links):
            directories |= set(self._prefixes(path.parent))
        return ProjectPaths(*(sorted(str(p.relative_to(root)) for p in part) for part in (plain, links, directories)))

    def save_file(self, path: str, stored: Path) -> SavedFile:
        """Copy one file into the directory `stored`."""
        source = self._root / path
        wanted = Attributes.of(source)
        files.copy(source, stored / path, Attributes(PRIVATE, os.geteuid(), os.getegid()))
        return SavedFile(path, sha256_of_file(stored / path), wanted.mode, wanted.uid, wanted.gid)

    def save_link(self, path: str) -> SavedLink:
        """The record of a symbolic link."""
        return SavedLink(path, os.readlink(self._root / path))

    def save_directory(self, path: str) -> SavedDirectory:
        """The record of a directory's mode and owner."""
        found = Attributes.of(self._root / path)
        return SavedDirectory(path, found.mode, found.uid, found.gid)

    def absent(self, dests: Collection[str]) -> tuple[list[str], list[str]]:
        """The files to be written that do not exist yet, and the directories that they lack."""
        missing = sorted(dest for dest in dests if not os.path.lexists(self._root / dest))
        parents = {p for dest in missing for p in self._prefixes((self._root / dest).parent)}
        directories = [str(p.relative_to(self._root)) for p in parents if not os.path.lexists(p)]
        return missing, sorted(directories, key=lambda path: (-path.count("/"), path))

    def restore(self, backup: Backup, stored: Path, obsolete: Collection[str] = ()) -> None:
        """Write back every file that differs, with owner and mode, and remove later files.

        Args:
            stored: the directory of the backup's copies.
            obsolete: further files to remove.
        """
        for directory in sorted(backup.directories, key=lambda saved: saved.path):
            wanted = Attributes(directory.mode, directory.uid, directory.gid)
            files.ensure_directory(self._root / directory.path, wanted)
        for saved in backup.files:
            if (self._root / saved.path).is_symlink():
                files.remove(self._root / saved.path)
            target = files.inside(self._root, saved.path)
            wanted = Attributes(saved.mode, saved.uid, saved.gid)
            same = target.is_file() and Attributes.of(target) == wanted
            if not same or sha256_of_file(target) != saved.sha256:
                files.copy(stored / saved.path, target, wanted)
        for link in backup.links:
            files.ensure_link(self._root / link.path, link.target)
        for path in (*backup.absent, *obsolete):
            files.remove(self._root / path)
        for path in (*(saved.path for saved in backup.files), *backup.absent):
            files.remove_draft(self._root / path)
        for path in backup.absent_directories:
            files.remove_empty(self._root / path)

    def _prefixes(self, path: Path) -> Iterator[Path]:
        """A path and its parents below the project, the outermost first."""
        for n in range(1, len(path.relative_to(self._root).parts) + 1):
            yield self._root.joinpath(*path.relative_to(self._root).parts[:n])

    def _is_ours(self, path: Path) -> bool:
        if not path.is_relative_to(self._root) or ".." in path.parts or path == self._root:
            return False
        return path.relative_to(self._root).parts[0] != RESERVED_DIRECTORY
