"""Image references as people write them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ota_py import names
from ota_py.errors import UsageError
from ota_py.registry_login import DOCKER_HUB

_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Reference:
    """An image by tag or by digest, with its registry made explicit.

    Attributes:
        registry: `host` or `host:port`.
        path: name within the registry, such as `healthguard/mqtt-bridge`.
        tag: the tag, or an empty string.
        digest: `sha256:...`, or an empty string.
    """

    registry: str
    path: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """The image's name `registry/path:tag`, without the digest."""
        return f"{self.registry}/{self.path}" + (f":{self.tag}" if self.tag else "")

    @property
    def wanted(self) -> str:
        """The digest to request from the registry where there is one, else the tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return self.name + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str, default_registry: str = DOCKER_HUB) -> Reference:
    """Parse `[registry/]path:tag`, `[registry/]path@sha256:...` or both.

    The first part is a registry if it has a dot or a colon or is `localhost`: Docker's own rule
    (https://github.com/distribution/reference, `splitDockerDomain`).

    Raises:
        UsageError: neither tag nor digest, or not an image reference.
    """
    name, _, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    explicit = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, name = (first, rest) if explicit else (default_registry, name)
    path, _, tag = name.partition(":")
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    if not _PATH.fullmatch(path) or (tag and not _TAG.fullmatch(tag)):
        raise UsageError(
            f"{text[:200]!r} is not an image reference",
            hint="use [registry/]name:tag in lower case, for example healthguard/mqtt-bridge:1.2.0",
        )
    if digest and not re.fullmatch(names.DIGEST, digest):
        raise UsageError(f"{text[:200]!r} has a digest that is not sha256: and 64 hexadecimal digits")
    if not (tag or digest):
        raise UsageError(
            f"the image {text[:200]!r} has no tag",
            hint="name exactly what to install, for example " + f"{text[:200]}:1.2.0",
        )
    return Reference(registry, path, tag, digest)
