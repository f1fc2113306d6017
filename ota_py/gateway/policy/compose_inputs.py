"""What a Compose file makes Compose read: included and extended files, environment files.

Judged from the text, before Compose sees it: Compose would fetch what a file includes from elsewhere, and
its resolved project does not tell any more where things came from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ota_py.gateway.docker.compose import OVERRIDE_FILE_NAMES
from ota_py.gateway.docker.compose_document import documents, env_files, listed
from ota_py.gateway.policy import compose_requests
from ota_py.gateway.policy.rules import Ask, GatewayDirectories, Permission
from ota_py.manifest import COMPOSE_FILE_NAME


def asks(root: Path, places: GatewayDirectories, staged: Sequence[Path] = ()) -> set[Ask]:
    """What the Compose files in `root` ask Compose to read from outside the project.

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


class _Reader:
    def __init__(self, root: Path, places: GatewayDirectories, staged: Sequence[Path]) -> None:
        self.found: set[Ask] = set()
        self._root = root
        self._places = places
        self._real_roots = (places.project, *(path.resolve() for path in staged))
        self._read: set[tuple[Path, Path]] = set()

    def read(self, file: Path, base: Path) -> None:
        """Judge one file; relative paths in it start at `base`."""
        if (file, base) in self._read:
            return
        self._read.add((file, base))
        for document in documents(file):
            for entry in listed(document.get("include")):
                self._include(entry, base)
            services = document.get("services")
            for name, body in services.items() if isinstance(services, dict) else ():
                if isinstance(body, dict):
                    self._service(str(name), body, base)

    def _include(self, entry: Any, base: Path) -> None:
        entry = entry if isinstance(entry, dict) else {"path": entry}
        paths = [str(path) for path in listed(entry.get("path"))]
        directory = entry.get("project_directory")
        start = self._local(str(directory), base) if directory else None
        if directory and start is None:
            self._ask(Permission.INCLUDE, "", f"project_directory: {directory}")
        for path in paths:
            file = self._file(path, base, "", f"include: {path}")
            if file is not None:
                start = start or file.parent  # of the first of several files
                self.read(file, start)
        for path in env_files(entry.get("env_file")):
            self._env_file("", path, base)

    def _service(self, name: str, body: dict[str, Any], base: Path) -> None:
        extends = body.get("extends")
        if isinstance(extends, dict) and extends.get("file"):
            path = str(extends["file"])
            file = self._file(path, base, name, f"extends: {path}")
            if file is not None:
                self.read(file, file.parent)
        for path in [*env_files(body.get("env_file")), *env_files(body.get("label_file"))]:
            self._env_file(name, path, base)

    def _env_file(self, service: str, path: str, base: Path) -> None:
        if self._local(path, base) is None:
            absolute = path.startswith("/") and "$" not in path
            if absolute:
                self.found |= compose_requests.of_path(service, path, self._places)
            else:
                self._ask(Permission.MOUNTS, service, f"env_file: {path}")

    def _file(self, path: str, base: Path, service: str, what: str) -> Path | None:
        """The file of the project that `path` means; None, and something asked for, where there is none."""
        file = self._local(path, base)
        if file is None or not file.is_file():
            self._ask(Permission.INCLUDE, service, what)
            return None
        return file

    def _local(self, path: str, base: Path) -> Path | None:
        """Where `path` is in the tree, or None where it is or may be elsewhere."""
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

    def _ask(self, kind: Permission, service: str, what: str) -> None:
        self.found.add(Ask(kind, service, what))
