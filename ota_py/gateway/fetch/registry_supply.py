"""Images from their registries, piece by piece: the bytes that arrived are kept, also when the process ends."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable

from ota_py import oci
from ota_py.gateway.fetch.downloads import Download, DownloadCache
from ota_py.gateway.fetch.registry import RegistryRepository
from ota_py.gateway.system import free_space
from ota_py.manifest import Image

RESERVE_BYTES = 32 * 1024**2


class RegistrySupply:
    """The supply of the registry relay from registries; implements `ota_py.gateway.fetch.relay.Supply`.

    Args:
        images: the images that can be fetched.
        registry: gives the registry of a repository.
        fetched: keeps layers, and beginnings of layers.
    """

    def __init__(
        self, images: Iterable[Image], registry: Callable[[str], RegistryRepository], fetched: DownloadCache
    ) -> None:
        self._registry = registry
        self._fetched = fetched
        self._repositories = {image.digest: image.repository for image in images}
        self._registries: dict[str, RegistryRepository] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def document(self, digest: str) -> bytes:
        """See `Supply`."""
        raw = self._of(digest).document(digest)
        document = oci.parse(raw, digest)
        for entry in (*document.manifests, *document.blobs):
            self._repositories.setdefault(entry.digest, self._repositories[digest])
        return raw

    def blob(self, blob: oci.Descriptor, start: int) -> Generator[bytes]:
        """See `Supply`."""
        registry = self._of(blob.digest)
        wanted = Download(blob.sha256, blob.size, f"the layer {blob.digest[:19]}")
        with self._locks[blob.digest]:
            missing = self._fetched.missing_bytes(wanted)
            free_space.require_space(self._fetched.directory, missing + RESERVE_BYTES, wanted.what)
            skip = start
            for piece in self._fetched.pieces(wanted, lambda at: registry.blob(blob.digest, at)):
                if skip < len(piece):
                    yield piece[skip:]
                skip = max(0, skip - len(piece))

    def _of(self, digest: str) -> RegistryRepository:
        repository = self._repositories[digest]
        if repository not in self._registries:
            self._registries[repository] = self._registry(repository)
        return self._registries[repository]
