"""The files that Compose files name: environments, labels, and other Compose files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ota_py.gateway.docker.compose_document import documents, env_files, listed


def files_of(compose_files: Iterable[Path]) -> set[Path]:
    """All that these Compose files read, directly or by another one, where the name has no variable in it."""
    found: set[Path] = set()
    waiting = [path for path in compose_files if path.is_file()]
    seen = set(waiting)
    while waiting:
        file = waiting.pop()
        for name, is_compose in _names(file):
            path = Path(os.path.normpath(file.parent / name))
            if "$" in name or path in found:
                continue
            found.add(path)
            if is_compose and path.is_file() and path not in seen:
                seen.add(path)
                waiting.append(path)
    return found


def _names(file: Path) -> Iterator[tuple[str, bool]]:
    """The names in one file, and whether each is of a Compose file."""
    for document in documents(file):
        for entry in listed(document.get("include")):
            entry = entry if isinstance(entry, dict) else {"path": entry}
            yield from ((str(path), True) for path in listed(entry.get("path")))
            yield from ((name, False) for name in env_files(entry.get("env_file")))
        services = document.get("services")
        for service in services.values() if isinstance(services, dict) else ():
            if not isinstance(service, dict):
                continue
            extends = service.get("extends")
            if isinstance(extends, dict) and extends.get("file"):
                yield str(extends["file"]), True
            for key in ("env_file", "label_file"):
                yield from ((name, False) for name in env_files(service.get(key)))
