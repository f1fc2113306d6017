"""What each of a thousand simulated runs would do anew is done once, before they fork."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML

# Imported late by the engine, for the sake of the agent's memory.
_LATE = ("docker", "jinja2.sandbox", "requests", "ruamel.yaml.util")

_parse = YAML.load_all
_parsed: dict[str, list[Any]] = {}


def warm_up(*texts: str) -> None:
    """Import what the engine will want, and parse Compose files that it will read."""
    for name in _LATE:
        importlib.import_module(name)
    for text in texts:
        _parsed.setdefault(text, list(_parse(YAML(), text)))


def install() -> None:
    """Let this process find those files parsed; the engine changes nothing in what it gets."""
    YAML.load_all = _load_all  # type: ignore[method-assign]


def _load_all(self: YAML, stream: Any) -> Iterator[Any]:
    return iter(_parsed[stream]) if stream in _parsed else _parse(self, stream)
