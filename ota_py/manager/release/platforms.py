"""The architectures that an update is for, from the request and from its images. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from ota_py.architectures import ARCHITECTURES, Architecture
from ota_py.errors import UsageError
from ota_py.manager.registry.resolve import ResolvedImage


def check_architectures(requested: Sequence[Architecture], images: Mapping[str, ResolvedImage]) -> list[Architecture]:
    """The architectures of the update: those requested, or else those that every image has.

    A gateway of another architecture then refuses the update at once, instead of rolling it back after its
    services failed to start. Without images, and with none requested, the list is empty: all.

    Raises:
        UsageError: an image lacks an architecture that was requested, or the images have none in common.
    """
    for service, image in images.items():
        if missing := sorted(set(requested) - set(image.architectures)):
            raise UsageError(
                f"the image {image.reference} of {service} is not for {', '.join(missing)}",
                hint=f"it is for {', '.join(image.architectures)}",
            )
    if requested or not images:
        return sorted(requested)
    common = set(ARCHITECTURES).intersection(*(image.architectures for image in images.values()))
    if not common:
        raise UsageError(
            "the images have no supported architecture in common: "
            + "; ".join(f"{service}: {', '.join(image.architectures)}" for service, image in images.items()),
            hint=f"supported are {', '.join(ARCHITECTURES)}",
        )
    return cast(list[Architecture], sorted(common))
