"""The speed of the simulation: work that each of a thousand runs would do anew is done once, before they fork."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML

from ota_py.gateway.fetch import staging
from ota_py.gateway.system import ballast
from ota_py.manifest import COMPOSE_FILE_NAME
from tests.crash.sim import commands as sim_commands
from tests.crash.sim.release import release

# Imported late by the engine, for the sake of the agent's memory.
_LATE = ("docker", "jinja2.sandbox", "requests", "ruamel.yaml.util", "tuf.ngclient")
# The simulated disk is full by decree: megabytes kept aside would only be copied a thousand times.
_BALLAST_BYTES = 64 * 1024

_parse = YAML.load_all
_parsed: dict[str, list[Any]] = {}
_pin = staging.pin_images
_pinned: dict[tuple[bytes, tuple[tuple[str, str], ...]], bytes] = {}


def warm_up(*texts: str) -> None:
    """Import the modules that the engine will need; parse and pin the Compose files that it will read."""
    for name in _LATE:
        importlib.import_module(name)
    for text in texts:
        if text not in _parsed:
            _parsed[text] = list(_parse(YAML(), text))
            sim_commands.parsed(text)
    for healthy in (True, False):
        verified, contents = release(healthy=healthy)
        references = {service: image.pinned for service, image in verified.manifest.images.items()}
        _pin_images(contents[COMPOSE_FILE_NAME], references)


def install() -> None:
    """Let this process use the warmed-up results (the engine does not change them), and a small ballast."""
    ballast.BYTES = _BALLAST_BYTES
    YAML.load_all = _load_all  # type: ignore[method-assign]
    staging.pin_images = _pin_images


def _load_all(self: YAML, stream: Any) -> Iterator[Any]:
    return iter(_parsed[stream]) if stream in _parsed else _parse(self, stream)


def _pin_images(text: bytes, references: Mapping[str, str]) -> bytes:
    key = (text, tuple(sorted(references.items())))
    if key not in _pinned:
        _pinned[key] = _pin(text, references)
    return _pinned[key]
