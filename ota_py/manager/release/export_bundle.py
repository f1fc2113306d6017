"""Export of bundles: one published update with all that its installation needs, in one file for a stick.

`plan` finds in repository and registries what belongs in it; `write` brings the bytes. A file under the
final name is whole; half-written ones are removed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from ota_py import bundle, durable, oci
from ota_py.errors import ConflictError, IntegrityError, NoSpaceError, StoreError, UsageError
from ota_py.manager.registry.references import Reference, parse_reference
from ota_py.manager.registry.resolve import TagResolver
from ota_py.manager.release.published import published_manifest
from ota_py.manifest import Image, Manifest
from ota_py.trust.repository.repository import Repository
from ota_py.trust.repository.store import Store

PART_SUFFIX = ".part"

# Called with the bytes that were written since the last call.
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Blob:
    """A blob of the bundle: its size, and what opens it."""

    size: int
    read: Callable[[], Iterator[bytes]]


@dataclass
class Export:
    """The contents of a bundle, not yet fetched.

    Attributes:
        platforms: such as `linux/arm64`, sorted.
        metadata: content by name.
        blobs: by hash in hex.
        fresh_until: gateways refuse the bundle from then on.
    """

    version: str
    platforms: list[str]
    metadata: dict[str, bytes]
    fresh_until: datetime
    blobs: dict[str, Blob] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all contents; the file is slightly larger."""
        return sum(map(len, self.metadata.values())) + sum(blob.size for blob in self.blobs.values())


def plan(repository: Repository, registry: TagResolver, version: str, platforms: Sequence[str]) -> Export:
    """Plan the bundle of an update; nothing large is fetched.

    Args:
        platforms: which gateways it is for; none: all that the update is for.

    Raises:
        NotFoundError: there is no such update, or the registry lost an image of it.
        UsageError: an image is not for one of the platforms.
        CarrierError: the store or a registry cannot be reached.
    """
    manifest = published_manifest(repository, version).manifest
    wanted = sorted(platforms) or [f"linux/{each}" for each in manifest.compatibility.architectures]
    metadata, fresh_until = repository.metadata()
    export = Export(version, wanted, metadata, fresh_until)
    for target in repository.targets_of(version):
        export.blobs[target.sha256] = Blob(target.length, _of_store(repository.store, target.key))
    found: set[str] = set()
    for image in _unique(manifest):
        found |= _add_image(export, registry, image, wanted)
    export.platforms = wanted or sorted(found)
    return export


def write(export: Export, output: Path, advance: Advance) -> int:
    """Write the bundle; returns the bytes of the file.

    Raises:
        ConflictError: the file exists.
        NoSpaceError: it does not fit.
        IntegrityError: a registry or the store sent other bytes than it should.
        CarrierError: it broke off; run it again.
    """
    if output.exists():
        raise ConflictError(f"{output} exists", hint="remove it, or choose another name")
    part = output.with_name(output.name + PART_SUFFIX)
    try:
        free = shutil.disk_usage(output.absolute().parent).free
        if free < export.size:
            raise NoSpaceError(f"{output} needs {export.size} bytes, {free} are free there")
        with durable.replacing(output, draft=part) as file:
            _write_all(export, file, advance)
    except OSError as error:
        raise StoreError(
            f"cannot write {output}: {error.strerror}",
            hint="a stick formatted as FAT32 takes no file of 4 GiB or more: use exFAT or ext4",
        ) from None
    return output.stat().st_size


def _write_all(export: Export, file: IO[bytes], advance: Advance) -> None:
    header = bundle.header(export.version)
    bundle.write_member(file, bundle.HEADER_NAME, len(header), iter([header]))
    for name, data in sorted(export.metadata.items()):
        bundle.write_member(file, bundle.METADATA + name, len(data), iter([data]))
        advance(len(data))
    for sha256, blob in export.blobs.items():
        pieces = _checked(blob, sha256, advance)
        bundle.write_member(file, bundle.BLOBS + sha256, blob.size, pieces)
    bundle.write_end(file)


def _checked(blob: Blob, sha256: str, advance: Advance) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for piece in blob.read():
        digest.update(piece)
        yield piece
        advance(len(piece))
    if digest.hexdigest() != sha256:
        raise IntegrityError(f"{sha256} came as {digest.hexdigest()}: something on the way altered it")


def _unique(manifest: Manifest) -> list[Image]:
    return list({image.digest: image for image in manifest.images.values()}.values())


def _add_image(export: Export, registry: TagResolver, image: Image, wanted: Sequence[str]) -> set[str]:
    """Add an image's documents and blobs; returns the platforms that it has."""
    reference = parse_reference(f"{image.reference}@{image.digest}")
    document = _add_document(export, registry, reference, image.digest)
    if not document.manifests:
        # Without an index there is one platform; that it fits was checked when the update was created.
        _add_blobs(export, registry, reference, document)
        return set()
    linux = [entry for entry in document.manifests if entry.platform.startswith("linux/")]
    for platform in wanted:
        if not any(oci.fits(entry.platform, platform) for entry in linux):
            raise UsageError(
                f"the image {image.reference} is not for {platform}",
                hint=f"it is for {', '.join(sorted({entry.platform for entry in linux}))}",
            )
    chosen = [e for e in linux if not wanted or any(oci.fits(e.platform, p) for p in wanted)]
    for entry in chosen:
        _add_blobs(export, registry, reference, _add_document(export, registry, reference, entry.digest))
    return {entry.platform for entry in chosen}


def _add_document(export: Export, registry: TagResolver, reference: Reference, digest: str) -> oci.OciDocument:
    raw = registry.document(reference, digest)
    document = oci.parse(raw, digest)
    export.blobs[digest.removeprefix("sha256:")] = Blob(len(raw), lambda: iter([raw]))
    return document


def _add_blobs(export: Export, registry: TagResolver, reference: Reference, document: oci.OciDocument) -> None:
    for entry in document.blobs:
        export.blobs[entry.sha256] = Blob(entry.size, _of_registry(registry, reference, entry.digest))


def _of_registry(registry: TagResolver, reference: Reference, digest: str) -> Callable[[], Iterator[bytes]]:
    return lambda: registry.blob(reference, digest)


def _of_store(store: Store, key: str) -> Callable[[], Iterator[bytes]]:
    return lambda: store.stream(key)
