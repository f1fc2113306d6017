"""The registry relay: a registry on loopback, inside the transaction's process, from which Docker pulls.

It has exactly the manifests and blobs of one update, by digest, and is read-only. They come from a `Supply`.
Docker checks every byte against the digests, so the relay needs no trust.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Generator, Iterable
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from ota_py import oci
from ota_py.errors import ConflictError, OtaError
from ota_py.gateway.docker.image_names import RELAY_HOST

_PATH = re.compile(r"/v2/[a-z0-9][a-z0-9._/-]*/(manifests|blobs)/(sha256:[0-9a-f]{64})")
_RANGE = re.compile(r"bytes=(\d+)-")
_IDLE_SECONDS = 60.0
_POLL_SECONDS = 0.05


class Supply(Protocol):
    """The source of the registry relay's images. Called by several threads."""

    def document(self, digest: str) -> bytes:
        """The bytes of an index or a manifest.

        Raises:
            OtaError: it cannot be fetched.
        """

    def blob(self, blob: oci.Descriptor, start: int) -> Generator[bytes]:
        """The bytes of a layer or configuration from `start` on; see `document`."""


class RegistryRelay:
    """A registry on loopback that serves while its context is open.

    Args:
        digests: of the images.
        architecture: of this gateway, as registries call it.

    Attributes:
        problem: why the supply failed, as soon as it has.
    """

    def __init__(self, port: int, supply: Supply, digests: Iterable[str], architecture: str) -> None:
        self._port = port
        self._supply = supply
        self._digests = list(digests)
        self._architecture = architecture
        self._documents: dict[str, tuple[str, bytes]] = {}
        self._known = set(self._digests)
        self._blobs: dict[str, oci.Descriptor] = {}
        self.problem: OtaError | None = None

    def __enter__(self) -> RegistryRelay:
        for digest in self._digests:
            # Docker still has the manifests of an interrupted pull, and then requests blobs at once.
            for manifest in self._learn(digest).for_architecture(self._architecture):
                self._learn(manifest.digest)
        try:
            self._http = ThreadingHTTPServer((RELAY_HOST, self._port), self._handler())
        except OSError as error:
            raise ConflictError(
                f"the relay cannot listen on {RELAY_HOST}:{self._port}: {error.strerror}",
                hint="set fetch.relay_port in gateway.toml to a port that is free",
            ) from None
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _learn(self, digest: str) -> oci.OciDocument:
        raw = self._supply.document(digest)
        document = oci.parse(raw, digest)
        self._documents[digest] = (document.media_type, raw)
        self._known |= {entry.digest for entry in document.manifests}
        self._blobs |= {entry.digest: entry for entry in document.blobs}
        return document

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request of Docker."""
        found = _PATH.fullmatch(request.path)
        if request.path in ("/v2", "/v2/"):
            _send(request, "application/json", 2, [b"{}"])
        elif found and found[1] == "manifests" and found[2] in self._known:
            self._send_document(request, found[2])
        elif found and found[1] == "blobs" and found[2] in self._blobs:
            self._send_blob(request, self._blobs[found[2]])
        else:
            request.send_error(404)

    def _send_document(self, request: BaseHTTPRequestHandler, digest: str) -> None:
        try:
            if digest not in self._documents:
                self._learn(digest)
        except OtaError as error:
            self._fail(request, error)
            return
        media_type, raw = self._documents[digest]
        _send(request, media_type, len(raw), [raw], digest=digest)

    def _send_blob(self, request: BaseHTTPRequestHandler, blob: oci.Descriptor) -> None:
        asked = _RANGE.fullmatch(request.headers.get("Range", ""))
        start = min(int(asked[1]), blob.size) if asked else 0
        with closing(self._supply.blob(blob, start)) as pieces:
            try:
                first = next(pieces, b"")  # what fails at once gets an answer after which Docker does not retry
            except OtaError as error:
                self._fail(request, error)
                return
            try:
                body = itertools.chain([first], pieces)
                _send(request, "application/octet-stream", blob.size, body, start=start, digest=blob.digest)
            except OtaError as error:
                self.problem = self.problem or error
                request.close_connection = True

    def _fail(self, request: BaseHTTPRequestHandler, error: OtaError) -> None:
        self.problem = self.problem or error
        request.send_error(404)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = _IDLE_SECONDS

            def do_GET(self) -> None:
                with suppress(OSError):  # Docker hung up
                    relay.answer(self)
                self.close_connection = True

            do_HEAD = do_GET  # noqa: N815 - the standard library's name

            def log_message(self, *_: object) -> None:
                """Log nothing: the transaction reports what matters."""

        return Handler


def _send(
    request: BaseHTTPRequestHandler,
    media_type: str,
    size: int,
    body: Iterable[bytes],
    *,
    start: int = 0,
    digest: str = "",
) -> None:
    request.send_response(206 if start else 200)
    headers = {
        "Content-Type": media_type,
        "Content-Length": str(size - start),
        "Docker-Distribution-Api-Version": "registry/2.0",
        "Connection": "close",
    }
    if start:
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    if digest:
        headers["Docker-Content-Digest"] = digest
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command == "GET":
        for piece in body:
            request.wfile.write(piece)
