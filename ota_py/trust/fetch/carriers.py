"""Carriers, which bring a repository to a gateway: a web server, a directory, a bundle. None of them is trusted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.api.metadata import Targets
from tuf.ngclient import FetcherInterface

from ota_py.errors import CarrierError
from ota_py.manifest import FILE_MAX_BYTES
from ota_py.trust import layout
from ota_py.trust.fetch.transfer import SLOWEST_BYTES_PER_SECOND, HttpTransfer, Throttle

READ_CHUNK_BYTES = 64 * 1024
# A person or the agent tries again: a refresh does not insist for long.
TRIES = 3
# For the metadata of a refresh, and for each target beside what its bytes may need: a carrier that spreads
# its delays over many answers is cut off then.
PATIENCE_SECONDS = 3600.0


class Carrier(Protocol):
    """A source of a repository's bytes; paths are relative, such as `metadata/timestamp.json`."""

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file from `start` on.

        Raises:
            CarrierError: it cannot be had; `status` 404 in its details where it does not exist.
        """


class WebCarrier:
    """A repository behind HTTP or HTTPS.

    Args:
        url: ends with a slash.
        throttle: shared by all that the process fetches.
    """

    def __init__(self, url: str, throttle: Throttle | None = None) -> None:
        self._url = url
        self._link = HttpTransfer(throttle or Throttle(), tries=TRIES)

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file; see `Carrier.stream`."""
        return self._link.stream(self._url + path, start, may_change=path == layout.TIMESTAMP)


class DirectoryCarrier:
    """A repository on a mounted disk.

    Args:
        url: a `file:` URL that ends with a slash.
    """

    def __init__(self, url: str) -> None:
        self._directory = Path(url2pathname(urlsplit(url).path))

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file; see `Carrier.stream`."""
        full = self._directory / url2pathname(path)
        try:
            with open(full, "rb") as file:
                file.seek(start)
                while chunk := file.read(READ_CHUNK_BYTES):
                    yield chunk
        except FileNotFoundError:
            raise CarrierError(f"{full} does not exist", status=404) from None
        except OSError as error:
            raise CarrierError(f"{full}: {error.strerror}") from None


class NoCarrier:
    """A carrier without files: python-tuf then goes as far as its cache reaches."""

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file; see `Carrier.stream`."""
        raise CarrierError(f"offline: {path}", status=404)


def carrier_of(url: str, throttle: Throttle | None = None) -> Carrier:
    """The carrier for a repository's URL, which ends with a slash."""
    return DirectoryCarrier(url) if url.startswith("file:") else WebCarrier(url, throttle)


def patience(length: int) -> float:
    """Seconds that a target of so many bytes may take in all, over all tries."""
    return PATIENCE_SECONDS + length / SLOWEST_BYTES_PER_SECOND


def within(seconds: float, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on the pieces of a stream that arrive within `seconds`.

    Raises:
        CarrierError: the stream has not ended by then.
    """
    until = time.monotonic() + seconds
    for piece in pieces:
        if time.monotonic() > until:
            raise CarrierError("it is too slow: the time for all of it is over")
        yield piece


class Fetcher(FetcherInterface):
    """python-tuf's fetcher over a carrier, for one refresh and the targets after it.

    Args:
        url: the base of the URLs that python-tuf requests.
        limits: bytes by role; a delegated role may have as many as targets. python-tuf knows them, too, but
            lets metadata that is signed with an online key state larger ones.
    """

    def __init__(self, carrier: Carrier, url: str, limits: Mapping[str, int]) -> None:
        self._carrier = carrier
        self._url = url
        self._limits = limits
        self._until = time.monotonic() + PATIENCE_SECONDS

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """The bytes of a metadata file, at most as many as its role may have."""
        role = url.rpartition("/")[2].removesuffix(".json").rpartition(".")[2]
        limit = min(max_length, self._limits.get(role, self._limits[Targets.type]))
        return bytes(super().download_bytes(url, limit))

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(self._url)
        is_metadata = path.startswith(layout.METADATA)
        seconds = self._until - time.monotonic() if is_metadata else patience(FILE_MAX_BYTES)
        try:
            yield from within(seconds, self._carrier.stream(path))
        except CarrierError as error:
            status = error.details.get("status")
            if status:
                raise DownloadHTTPError(error.message, status) from None
            raise DownloadError(error.message) from None
