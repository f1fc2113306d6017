"""Compose files as text: for what is gone once Compose has resolved them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ota_py.errors import IncompatibleError


def documents(file: Path) -> Iterator[dict[str, Any]]:
    """The documents of a file, as people wrote them.

    Raises:
        IncompatibleError: it is not YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        # Round-trip mode takes tags such as !reset and !override; several documents are one project.
        found = list(YAML().load_all(file.read_text(encoding="utf-8")))
    except (YAMLError, ValueError) as error:
        raise IncompatibleError(f"{file.name} is not YAML: {error}") from None
    yield from (document for document in found if isinstance(document, dict))


def listed(value: Any) -> list[Any]:
    """What may be written as one thing or as a list of them, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def env_files(value: Any) -> list[str]:
    """The paths in an `env_file` or `label_file`."""
    return [str(item.get("path") if isinstance(item, dict) else item) for item in listed(value)]
