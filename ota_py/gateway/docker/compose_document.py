"""Compose files as people wrote them: for settings that are gone once Compose has resolved the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ota_py.errors import IncompatibleError
from ota_py.gateway.system.read_tree import read_plain


def document(file: Path) -> dict[str, Any]:
    """The document of a Compose file, as people wrote it; empty where it is no mapping.

    Raises:
        IncompatibleError: the file is not YAML with one reading, or beyond the limits of `ota_py.compose_yaml`.
    """
    from ota_py import compose_yaml

    try:
        found = compose_yaml.load(read_plain(file, compose_yaml.MAX_BYTES + 1))
    except ValueError as error:
        raise IncompatibleError(f"{file.name} is not YAML that can be judged: {error}") from None
    return found if isinstance(found, dict) else {}


def listed(value: Any) -> list[Any]:
    """A setting that may be written as one value or as a list of values, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def env_files(value: Any) -> list[str]:
    """The paths in an `env_file` or `label_file`."""
    return [str(item.get("path") if isinstance(item, dict) else item) for item in listed(value)]
