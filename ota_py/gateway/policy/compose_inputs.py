"""The files that a Compose file makes Compose read: included and extended files, environment files.

Judged from the text, before Compose sees it: Compose would fetch what a file includes from elsewhere, and
its resolved project no longer shows where a setting came from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ota_py.gateway.docker.compose import OVERRIDE_FILE_NAMES
from ota_py.gateway.docker.compose_files import Kind, NamedPath, files_of, walk
from ota_py.gateway.policy import mounts
from ota_py.gateway.policy.mounts import MountedPath
from ota_py.gateway.policy.rules import GatewayDirectories, PolicyRequest
from ota_py.manifest import COMPOSE_FILE_NAME

# Compose reads it for its variables.
ENVIRONMENT_FILE = ".env"
# Compose hands them on to containers, and reads no settings in them.
_CONTENTS = (Kind.CONFIG, Kind.SECRET)


def requests(root: Path, places: GatewayDirectories, staged: Sequence[Path] = ()) -> set[PolicyRequest]:
    """The requests of the Compose files in `root` to read files from outside the project.

    Args:
        root: the project's directory, or the staged tree that is to take its place.
        staged: directories that links in the tree may lead to, besides the project's.

    Raises:
        IncompatibleError: a file is not YAML, so it cannot be judged.
    """
    reader = _Reader(root, places, staged)
    for name in (COMPOSE_FILE_NAME, *OVERRIDE_FILE_NAMES):
        if (root / name).is_file():
            reader.read(root / name, root)
    return reader.found


def own_files(root: Path, project: Path) -> set[Path]:
    """The files that Compose reads of the project in `root`, as paths of its directory, links followed and not.

    Raises:
        IncompatibleError: a file is not YAML, so it cannot be judged.
    """
    found = named_files(root)
    below = {project / path.relative_to(root) if path.is_relative_to(root) else path for path in found}
    return below | {path.resolve() for path in below}


def named_files(root: Path) -> set[Path]:
    """The files that Compose reads of the project in `root`, or would read if they were there; errors: `own_files`."""
    names = [COMPOSE_FILE_NAME, *OVERRIDE_FILE_NAMES]
    own = {root / name for name in (*names, ENVIRONMENT_FILE)}
    return own | files_of((root / name for name in names), but=_CONTENTS)


class _Reader:
    def __init__(self, root: Path, places: GatewayDirectories, staged: Sequence[Path]) -> None:
        self.found: set[PolicyRequest] = set()
        self._root = root
        self._places = places
        self._real_roots = (places.project, *(path.resolve() for path in staged))

    def read(self, file: Path, base: Path) -> None:
        """Judge one file, and all that it includes or extends; relative paths in it start at `base`."""
        for named in walk(file, base, self._locate):
            if named.kind in (Kind.ENV_FILE, Kind.LABEL_FILE):
                self._env_file(named.service, named.path, named.base)

    def _locate(self, named: NamedPath) -> Path | None:
        """Where Compose would read this; None, and something requested, where that is not in the project."""
        what = f"{named.kind}: {named.path}"
        if named.kind is not Kind.PROJECT_DIRECTORY:
            return self._file(named.path, named.base, named.service, what)
        directory = self._local(named.path, named.base)
        if directory is None:
            self._request("", what)
        return directory

    def _env_file(self, service: str, path: str, base: Path) -> None:
        if self._local(path, base) is None:
            absolute = path.startswith("/") and "$" not in path
            if absolute:
                self.found.update(mounts.judge(service, MountedPath(path, False), self._places))
            else:
                self._request(service, f"env_file: {path}")

    def _file(self, path: str, base: Path, service: str, what: str) -> Path | None:
        """The file of the project that `path` names; None where there is none, and then it is a request."""
        file = self._local(path, base)
        if file is None or not file.is_file():
            self._request(service, what)
            return None
        return file

    def _local(self, path: str, base: Path) -> Path | None:
        """The place of `path` in the tree; None where it is, or may be, elsewhere."""
        # With a colon or this prefix it is an address, with a dollar it is only known later.
        if any(mark in path for mark in ("$", ":")) or path.startswith(("~", "github.com/")):
            return None
        absolute = Path(os.path.normpath(path)) if path.startswith("/") else None
        if absolute is not None and absolute.is_relative_to(self._places.project):
            found = self._root / absolute.relative_to(self._places.project)
            # Compose would read the file that is there now, not the one that the update puts in its place.
            real_roots: tuple[Path, ...] = (self._places.project,)
        else:
            found = Path(os.path.normpath(base / path))
            real_roots = self._real_roots
        inside = found.is_relative_to(self._root) and any(
            found.resolve().is_relative_to(root) for root in (*real_roots, self._root.resolve())
        )
        return found if inside else None

    def _request(self, service: str, what: str) -> None:
        self.found.add(PolicyRequest.of(service, what))
