"""The names that an image of an update has at the Docker daemon.

Its own, `registry/name@sha256:...`, and the registry relay's, `127.0.0.1:PORT/name@sha256:...`, which it gets
where the registry could not be reached: no name with a digest can be given by hand. It is the same image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ota_py.gateway.docker.images import Images
from ota_py.manifest import Image

RELAY_HOST = "127.0.0.1"


def relayed(image: Image, port: int) -> str:
    """The name of an image that is pulled from the registry relay."""
    return f"{RELAY_HOST}:{port}/{_path(image)}@{image.digest}"


def is_name_of(reference: str, image: Image) -> bool:
    """Whether a reference is one of an image's two names; the registry relay may have had another port."""
    through = re.fullmatch(rf"{re.escape(RELAY_HOST)}:\d+/(.+)", reference)
    return reference == image.pinned or bool(through and through[1] == f"{_path(image)}@{image.digest}")


@dataclass(frozen=True)
class Present:
    """An image that the Docker daemon has: its name and its image id."""

    name: str
    image_id: str


def present(image: Image, images: Images, port: int, used: str = "") -> Present | None:
    """The image of an update as the Docker daemon has it, or None.

    Args:
        used: the reference of the service now: if that is this image, it stays, so that the service is left alone.
    """
    for name in (used, image.pinned, relayed(image, port)):
        if is_name_of(name, image) and (found := images.id_of(name)):
            return Present(name, found)
    return None


def _path(image: Image) -> str:
    return image.repository.partition("/")[2] or image.repository
