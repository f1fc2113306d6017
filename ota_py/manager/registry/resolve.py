"""Resolution of image tags to digests, sizes and platforms, by their registry."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ota_py.errors import RegistryError, UsageError
from ota_py.hashes import digest_of
from ota_py.manager.registry.references import Reference, parse_reference
from ota_py.manager.registry.session import RegistrySession
from ota_py.registry_login import DOCKER_HUB

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


@dataclass(frozen=True)
class ResolvedImage:
    """An image as its registry has it now.

    Attributes:
        reference: the image as requested, its registry made explicit.
        digest: of the index, or of the manifest where there is no index.
        size: compressed bytes to pull, of the largest platform.
        architectures: of its Linux platforms, sorted, such as `("amd64", "arm64")`.
        command: entrypoint and command of its first platform, as one list.
    """

    reference: Reference
    digest: str
    size: int
    architectures: tuple[str, ...]
    command: tuple[str, ...]


@dataclass(frozen=True)
class _Platform:
    architecture: str
    size: int
    command: tuple[str, ...]


class TagResolver:
    """Client of registries that resolves image names.

    Args:
        default: registry of names that have none.
        insecure: registries to be reached by plain HTTP.
    """

    def __init__(self, default: str = DOCKER_HUB, *, insecure: Collection[str] = ()) -> None:
        self._default = default
        self._session = RegistrySession(insecure)

    def parse(self, text: str) -> Reference:
        """An image name with its registry made explicit; no registry is contacted.

        Raises:
            UsageError: not an image name, or one without a tag.
        """
        return parse_reference(text, self._default)

    def resolve(self, image: Reference) -> ResolvedImage:
        """Resolve an image by its registry.

        Raises:
            NotFoundError: the registry does not have it.
            UsageError: it has no Linux platform.
            RegistryError: unreachable, denied, too many requests, or an answer that does not hold.
        """
        try:
            document, digest = self._manifest(image, image.wanted)
            platforms = self._platforms(image, document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RegistryError(
                f"the registry {image.registry} describes {image} in a way that makes no sense: {error!r}"
            ) from None
        if not platforms:
            raise UsageError(f"the image {image} is for no Linux platform")
        return ResolvedImage(
            reference=image,
            digest=digest,
            size=max(platform.size for platform in platforms),
            architectures=tuple(sorted({platform.architecture for platform in platforms})),
            command=platforms[0].command,
        )

    def document(self, image: Reference, digest: str) -> bytes:
        """The bytes of an index or a manifest; the caller compares them with the digest.

        Raises:
            NotFoundError, RegistryError: as above.
        """
        return self._session.get(image, "manifests", digest, ACCEPT).content

    def blob(self, image: Reference, digest: str) -> Iterator[bytes]:
        """The bytes of a layer or configuration, piece by piece; see `document`."""
        return self._session.stream(image, digest)

    def _manifest(self, image: Reference, name: str) -> tuple[dict[str, Any], str]:
        """A manifest or index, and its digest; the bytes must fit the digest that was requested or answered."""
        answer = self._session.get(image, "manifests", name, ACCEPT)
        digest = digest_of(answer.content)
        named = name if name.startswith("sha256:") else answer.headers.get("Docker-Content-Digest", digest)
        if named != digest:
            raise RegistryError(f"the registry {image.registry} sent {digest} of {image}, expected {named}")
        return json.loads(answer.content), digest

    def _platforms(self, image: Reference, document: dict[str, Any]) -> list[_Platform]:
        if document["schemaVersion"] != 2:
            raise RegistryError(
                f"the image {image} is of the old schema version {document['schemaVersion']}",
                hint="build and push it again with a current version of Docker",
            )
        if "manifests" not in document:
            return self._linux(image, document)
        found: list[_Platform] = []
        for entry in document["manifests"]:
            # Attestations stand in an index as platform unknown/unknown.
            if entry.get("platform", {}).get("os", "linux") == "linux":
                manifest, _ = self._manifest(image, entry["digest"])
                found += self._linux(image, manifest)
        return found

    def _linux(self, image: Reference, manifest: dict[str, Any]) -> list[_Platform]:
        blob = self._session.get(image, "blobs", manifest["config"]["digest"])
        config = json.loads(blob.content)
        if config.get("os", "linux") != "linux":
            return []
        size = manifest["config"]["size"] + sum(layer["size"] for layer in manifest["layers"])
        run = config.get("config") or {}
        command = (run.get("Entrypoint") or []) + (run.get("Cmd") or [])
        return [_Platform(config["architecture"], size, tuple(command))]
