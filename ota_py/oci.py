"""Image documents of a registry: indexes and manifests, OCI's and Docker's. Pure.

Specification: https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md and image-index.md.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ota_py import names
from ota_py.errors import IntegrityError
from ota_py.hashes import digest_of

# The distribution specification's limit for manifests.
DOCUMENT_MAX_BYTES = 4 * 1024 * 1024
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
TYPES = (
    INDEX_TYPE,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    MANIFEST_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True)
class Descriptor:
    """An entry of an image document: it names a manifest, a configuration or a layer.

    Attributes:
        size: bytes.
        platform: of a manifest in an index: `linux/arm64` or `linux/arm/v7`; else an empty string.
    """

    digest: str
    size: int
    platform: str = ""

    @property
    def sha256(self) -> str:
        """The digest's hexadecimal part."""
        return self.digest.removeprefix("sha256:")


@dataclass(frozen=True)
class OciDocument:
    """An index, which names manifests, or a manifest, which names blobs: a configuration, then layers."""

    media_type: str
    manifests: tuple[Descriptor, ...] = ()
    blobs: tuple[Descriptor, ...] = ()

    def for_architecture(self, architecture: str) -> list[Descriptor]:
        """The manifests of an index for Linux on an architecture, whatever its variant."""
        return [entry for entry in self.manifests if fits(entry.platform, f"linux/{architecture}")]


def fits(platform: str, wanted: str) -> bool:
    """Whether a platform is the wanted one; `linux/arm` is each of its variants."""
    return platform == wanted or platform.startswith(wanted + "/")


def parse(raw: bytes, digest: str) -> OciDocument:
    """Parse the image document of a digest.

    Raises:
        IntegrityError: other bytes than the digest's, or not a document of images.
    """
    got = digest_of(raw)
    if got != digest:
        raise IntegrityError(f"the image document {digest} has the digest {got}")
    try:
        data = json.loads(raw)
        if "manifests" in data:
            found = tuple(_descriptor(entry) for entry in data["manifests"])
            return OciDocument(str(data.get("mediaType") or INDEX_TYPE), manifests=found)
        found = tuple(_descriptor(entry) for entry in [data["config"], *data["layers"]])
        return OciDocument(str(data.get("mediaType") or MANIFEST_TYPE), blobs=found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"[:200]
        raise IntegrityError(f"the image document {digest} makes no sense: {why}") from None


def _descriptor(entry: dict[str, Any]) -> Descriptor:
    platform = entry.get("platform") or {}
    parts = [platform.get("os", ""), platform.get("architecture", ""), platform.get("variant", "")]
    digest, size = entry["digest"], entry["size"]
    if not re.fullmatch(names.DIGEST, digest) or not isinstance(size, int) or size < 0:
        raise ValueError(f"{digest!r} of {size!r} bytes")
    return Descriptor(digest, size, "/".join(part for part in parts if part))
