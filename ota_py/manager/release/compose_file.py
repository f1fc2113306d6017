"""Compose files as the manager reads them: their services, and the images that these name."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

from ota_py import compose_yaml
from ota_py.errors import UsageError


@dataclass(frozen=True)
class ComposeFile:
    """A parsed Compose file.

    Attributes:
        name: where it came from, for messages.
        services: each service's own mapping, by name.
    """

    name: str
    services: dict[str, dict[str, Any]]

    def check_services(self, wanted: Iterable[str]) -> None:
        """Check that every wanted service is in the file.

        Raises:
            UsageError: some are not; it names them, and what may have been meant.
        """
        missing = sorted(set(wanted) - set(self.services))
        if not missing:
            return
        close = [name for service in missing for name in difflib.get_close_matches(service, self.services, 1)]
        meant = f"did you mean {', '.join(close)}? " if close else ""
        raise UsageError(
            f"{self.name} has no service {', '.join(missing)}",
            hint=f"{meant}it has: {', '.join(sorted(self.services)) or 'none'}",
        )

    def images(self, *, without: Container[str] = ()) -> dict[str, str]:
        """The image that each service names, but for those whose image is given otherwise.

        Raises:
            UsageError: a service is built on the gateway, or its image is not a plain name.
        """
        return {service: self._image(service) for service in self.services if service not in without}

    def _image(self, service: str) -> str:
        image = self.services[service].get("image")
        if "build" in self.services[service] or not isinstance(image, str):
            raise UsageError(
                f"{self.name}: the service {service} has no image of its own",
                hint="gateways do not build: push the image, and name it as `image:` instead of `build:`",
            )
        if "$" in image:
            raise UsageError(
                f"{self.name}: the image of {service} has a variable: {image}",
                hint=f'an update pins exact images: name it with --images \'{{"{service}": "NAME:TAG"}}\'',
            )
        return image


def parse_compose(raw: bytes, name: str) -> ComposeFile:
    """Parse a Compose file; its schema is the gateway's business, only its services are read.

    Raises:
        UsageError: not YAML, or without a `services` mapping.
    """
    try:
        document = compose_yaml.load(raw)
    except ValueError as error:
        raise UsageError(f"{name} is not YAML: {error}") from None
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict) or not all(isinstance(body, dict) for body in services.values()):
        raise UsageError(f"{name} is not a Compose file: it has no `services` with a mapping each")
    return ComposeFile(name, {str(service): body for service, body in services.items()})
