"""The files that Compose files name: other Compose files, environments, labels, configs and secrets."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ota_py.errors import IncompatibleError
from ota_py.gateway.docker.compose_document import document, env_files, listed

# A file that includes itself with a project directory never comes to an end; Compose refuses it.
FILES_MAX = 500


class Kind(StrEnum):
    """Purposes for which a Compose file names a path."""

    INCLUDE = "include"
    PROJECT_DIRECTORY = "project_directory"
    EXTENDS = "extends"
    ENV_FILE = "env_file"
    LABEL_FILE = "label_file"
    CONFIG = "config"
    SECRET = "secret"


@dataclass(frozen=True)
class NamedPath:
    """One path that a Compose file names.

    Attributes:
        service: the service that it is for; empty for the project.
        path: as it is written: with variables, or an address.
        base: the directory in which a relative path begins.
    """

    kind: Kind
    service: str
    path: str
    base: Path

    @property
    def plain(self) -> Path | None:
        """The path without `..`; None where it has a variable, so that only Compose knows it."""
        return None if "$" in self.path else Path(os.path.normpath(self.base / self.path))


# Where a project directory, an included or an extended file is; None where it is not to be read.
Locate = Callable[[NamedPath], Path | None]


def walk(file: Path, base: Path, locate: Locate) -> Iterator[NamedPath]:
    """All paths that a Compose file names, directly or by the Compose files that it includes or extends.

    Args:
        base: the directory in which relative paths of the file begin.
        locate: called once for each project directory, included and extended file; see `Locate`.

    Raises:
        IncompatibleError: a file is not YAML, or there are more than `FILES_MAX`.
    """
    waiting = [(file, base)]
    seen = set(waiting)
    while waiting:
        for named, further in _names(*waiting.pop(), locate):
            yield named
            if further is not None and further not in seen:
                if len(seen) == FILES_MAX:
                    raise IncompatibleError(f"{file.name} includes or extends more than {FILES_MAX} files, or itself")
                seen.add(further)
                waiting.append(further)


def files_of(compose_files: Iterable[Path], but: Collection[Kind] = ()) -> set[Path]:
    """All that these Compose files read, directly or by another one, where the name has no variable in it.

    Args:
        but: purposes that do not count.
    """
    left_out = {Kind.PROJECT_DIRECTORY, *but}
    there = [file for file in compose_files if file.is_file()]
    named = (each for file in there for each in walk(file, file.parent, _plainly))
    return {each.plain for each in named if each.plain and each.kind not in left_out}


def _plainly(named: NamedPath) -> Path | None:
    path = named.plain
    return path if path and (named.kind is Kind.PROJECT_DIRECTORY or path.is_file()) else None


# A path, and the Compose file with its base that is to be read because of it.
_Step = tuple[NamedPath, tuple[Path, Path] | None]


def _names(file: Path, base: Path, locate: Locate) -> Iterator[_Step]:
    written = document(file)
    for entry in listed(written.get("include")):
        yield from _include(entry if isinstance(entry, dict) else {"path": entry}, base, locate)
    for name, service in _bodies(written, "services"):
        yield from _service(name, service, base, locate)
    for kind, part in ((Kind.CONFIG, "configs"), (Kind.SECRET, "secrets")):
        for _, body in _bodies(written, part):
            if body.get("file"):
                yield NamedPath(kind, "", str(body["file"]), base), None


def _include(entry: dict[str, Any], base: Path, locate: Locate) -> Iterator[_Step]:
    start = None
    if entry.get("project_directory"):
        named = NamedPath(Kind.PROJECT_DIRECTORY, "", str(entry["project_directory"]), base)
        start = locate(named)
        yield named, None
    for path in listed(entry.get("path")):
        named = NamedPath(Kind.INCLUDE, "", str(path), base)
        found = locate(named)
        if found is not None:
            start = start or found.parent  # of the first of several files
        yield named, (found, start) if found and start else None
    yield from ((NamedPath(Kind.ENV_FILE, "", path, base), None) for path in env_files(entry.get("env_file")))


def _service(name: str, body: dict[str, Any], base: Path, locate: Locate) -> Iterator[_Step]:
    extends = body.get("extends")
    if isinstance(extends, dict) and extends.get("file"):
        named = NamedPath(Kind.EXTENDS, name, str(extends["file"]), base)
        found = locate(named)
        yield named, (found, found.parent) if found else None
    for kind in (Kind.ENV_FILE, Kind.LABEL_FILE):
        yield from ((NamedPath(kind, name, path, base), None) for path in env_files(body.get(kind)))


def _bodies(written: dict[str, Any], part: str) -> Iterator[tuple[str, dict[str, Any]]]:
    bodies = written.get(part)
    for name, body in bodies.items() if isinstance(bodies, dict) else ():
        if isinstance(body, dict):
            yield str(name), body
