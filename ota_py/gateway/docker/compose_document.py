"""Compose files as people wrote them: for settings that are gone once Compose has resolved the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ota_py.errors import IncompatibleError
from ota_py.gateway.system.read_tree import read_plain


def documents(file: Path) -> Iterator[dict[str, Any]]:
    """The YAML documents of a Compose file, as people wrote them.

    Raises:
        IncompatibleError: the file is not YAML, or beyond the limits of `ota_py.compose_yaml`.
    """
    from ota_py import compose_yaml

    try:
        # Several documents are one project.
        found = compose_yaml.load_all(read_plain(file, compose_yaml.MAX_BYTES + 1))
    except ValueError as error:
        raise IncompatibleError(f"{file.name} is not YAML that can be judged: {error}") from None
    yield from (document for document in found if isinstance(document, dict))


def listed(value: Any) -> list[Any]:
    """A setting that may be written as one value or as a list of values, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def env_files(value: Any) -> list[str]:
    """The paths in an `env_file` or `label_file`."""
    return [str(item.get("path") if isinstance(item, dict) else item) for item in listed(value)]
