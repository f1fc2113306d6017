"""The files that Compose files name: environments, labels, and other Compose files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


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
    document = _document(file)
    for entry in _list(document.get("include")):
        entry = entry if isinstance(entry, dict) else {"path": entry}
        yield from ((str(path), True) for path in _list(entry.get("path")))
        yield from ((name, False) for name in _paths(entry.get("env_file")))
    services = document.get("services")
    for service in services.values() if isinstance(services, dict) else ():
        if not isinstance(service, dict):
            continue
        extends = service.get("extends")
        if isinstance(extends, dict) and extends.get("file"):
            yield str(extends["file"]), True
        for key in ("env_file", "label_file"):
            yield from ((name, False) for name in _paths(service.get(key)))


def _document(file: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        # Compose has tags of its own, which the safe reader refuses.
        document = YAML(typ="rt").load(file.read_bytes())
    except (OSError, YAMLError, ValueError):
        return {}  # Compose accepted the project, so this is none of its files
    return document if isinstance(document, dict) else {}


def _paths(value: Any) -> Iterator[str]:
    for entry in _list(value):
        yield str(entry.get("path", "")) if isinstance(entry, dict) else str(entry)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
