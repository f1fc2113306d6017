"""Comparison of the digests that a gateway reported with those of its update. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differing(digests: Mapping[str, str], images: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The services whose container runs another image than the update names, sorted.

    Args:
        digests: by service, as reported; empty for an image that came from no registry.
        images: of the update, by service. Services that it does not name, or that do not run, are left out.
    """
    return sorted(
        service for service, image in images.items() if service in digests and digests[service] != image["digest"]
    )
