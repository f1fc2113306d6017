"""Bytes over a bad link: resumed where they were cut off, no faster than allowed, never endlessly slow."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from ota_py.errors import CarrierError
from ota_py.trust.fetch import connections

CONNECT_SECONDS = 10.0
# The longest silence in an answer.
SILENCE_SECONDS = 30.0
# An answer may take as long as its bytes need at this rate, and a while for a bad start.
SLOWEST_BYTES_PER_SECOND = 1024
GRACE_SECONDS = 30.0
READ_BYTES = 64 * 1024
PROGRESS_BYTES = 4096
REDIRECTS_MAX = 5
# A server that demands a longer pause than this is treated as away.
PATIENCE_MAX_SECONDS = 300.0
PAUSE_FIRST_SECONDS = 0.5
PAUSE_LIMIT_SECONDS = 60.0
USER_AGENT = "ota-gateway"
# Statuses of failures that may pass.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class Throttle:
    """A rate limit for all that a process fetches, over all threads.

    Args:
        bytes_per_second: the limit; None for none.
    """

    BURST_SECONDS = 0.25

    def __init__(self, bytes_per_second: float | None = None) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._paid_until = 0.0

    @property
    def portion(self) -> int:
        """The number of bytes to read at once, so that no single read waits for long."""
        return READ_BYTES if self._rate is None else max(1, min(READ_BYTES, int(self._rate / 4)))

    def take(self, count: int) -> float:
        """Wait until `count` more bytes are allowed; returns the seconds waited."""
        if self._rate is None:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._paid_until = max(self._paid_until, now - self.BURST_SECONDS) + count / self._rate
            wait = max(0.0, self._paid_until - now)
        time.sleep(wait)
        return wait


class HttpTransfer:
    """Downloads by HTTP and HTTPS: resumed, throttled, and cut off when too slow.

    Args:
        throttle: shared by all links of the process.
        tries: so many answers in a row may fail; one that was cut off after `PROGRESS_BYTES` or more, and
            was not too slow, does not count.
        check: called before each read and during pauses; raises to give up.
        ca_file: certificates to trust instead of the system's.
        grace_seconds: see `GRACE_SECONDS`.
    """

    def __init__(
        self,
        throttle: Throttle,
        *,
        tries: int,
        check: Callable[[], object] = lambda: None,
        ca_file: str | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._throttle = throttle
        self._tries = tries
        self._check = check
        self._ca_file = ca_file
        self._grace_seconds = grace_seconds
        self._pools: dict[str, urllib3.PoolManager] = {}

    def stream(
        self,
        url: str,
        start: int = 0,
        headers: Mapping[str, str] | None = None,
        *,
        may_change: bool = False,
    ) -> Iterator[bytes]:
        """The bytes of `url` from `start` on.

        Args:
            may_change: what is there may be another file the next time, so that its rest fits no beginning.

        Raises:
            CarrierError: it cannot be had now; `status` and `challenge` of an HTTP error are in its details.
        """
        position, failures = start, 0
        while True:
            begun = position
            try:
                for piece in self._once(url, position, headers or {}):
                    position += len(piece)
                    yield piece
                return
            except _Interrupted as problem:
                has_helped = position - begun >= PROGRESS_BYTES and not problem.counts
                failures = 0 if has_helped else failures + 1
                if failures >= self._tries or (may_change and position > start):
                    raise problem.error from None
                self._pause(problem.wait_seconds or _pause_seconds(failures))

    def read(self, url: str, max_bytes: int, headers: Mapping[str, str] | None = None) -> bytes:
        """The whole of a small answer; see `stream`."""
        data = bytearray()
        for piece in self.stream(url, 0, headers):
            data += piece
            if len(data) > max_bytes:
                raise CarrierError(f"{shown(url)} sends more than {max_bytes} bytes")
        return bytes(data)

    def _once(self, url: str, position: int, headers: Mapping[str, str]) -> Iterator[bytes]:
        self._check()
        request_headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        if position:
            request_headers["Range"] = f"bytes={position}-"
        with contextlib.closing(self._request(url, request_headers)) as answer:
            _require_success(url, answer)
            ahead = position - _first_byte(url, answer, position)
            for piece in self._body(url, answer):
                dropped = min(ahead, len(piece))
                ahead -= dropped
                if dropped < len(piece):
                    yield piece[dropped:]

    def _request(self, url: str, headers: Mapping[str, str]) -> Any:
        retries = urllib3.Retry(
            total=None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS_MAX, raise_on_status=False
        )
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS)
        try:
            return self._pool(url).request(
                "GET", url, headers=dict(headers), preload_content=False, retries=retries, timeout=timeout
            )
        except HTTPError as error:
            raise _Interrupted(CarrierError(f"{shown(url)}: {_reason(error)}")) from None

    def _body(self, url: str, answer: Any) -> Iterator[bytes]:
        begun, received = time.monotonic(), 0
        while True:
            self._check()
            try:
                with connections.limited(answer):
                    piece: bytes = answer.read1(self._throttle.portion, decode_content=False)
            except HTTPError as error:
                raise _Interrupted(CarrierError(f"{shown(url)} was cut off: {_reason(error)}")) from None
            if not piece:
                return
            received += len(piece)
            begun += self._throttle.take(len(piece))  # waiting of ours is no slowness of theirs
            yield piece
            seconds = time.monotonic() - begun
            if seconds > self._grace_seconds + received / SLOWEST_BYTES_PER_SECOND:
                slow = CarrierError(f"{shown(url)} is too slow: {received} bytes in {seconds:.0f} s")
                raise _Interrupted(slow, counts=True)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, 0.25))

    def _pool(self, url: str) -> urllib3.PoolManager:
        proxy = _proxy(url)
        if proxy not in self._pools:
            options: dict[str, Any] = {"ca_certs": self._ca_file} if self._ca_file else {}
            pools = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
            self._pools[proxy] = connections.use(pools)
        return self._pools[proxy]


class _Interrupted(Exception):  # noqa: N818 - never leaves this module
    """A failure of an answer that may pass. `counts`: as a failed try, although it brought bytes."""

    def __init__(self, error: CarrierError, *, wait_seconds: float = 0.0, counts: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait_seconds = wait_seconds
        self.counts = counts


def shown(url: str) -> str:
    """A URL as messages show it: what may be secret in it is left out."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _require_success(url: str, answer: Any) -> None:
    if answer.status in (200, 206):
        return
    details = {"status": answer.status, "challenge": answer.headers.get("WWW-Authenticate", "")}
    error = CarrierError(f"{shown(url)} answered {answer.status}", **details)
    if answer.status not in _PASSING:
        raise error
    wait = _retry_after(answer.headers.get("Retry-After", ""))
    if wait > PATIENCE_MAX_SECONDS:
        raise CarrierError(f"{error.message}, and asks to wait for {wait:.0f} s", **details)
    raise _Interrupted(error, wait_seconds=wait)


def _first_byte(url: str, answer: Any, position: int) -> int:
    """The position of an answer's first byte: a server may send the whole file although a part was requested."""
    if answer.status == 200 or not position:
        return 0
    content_range = answer.headers.get("Content-Range", "")
    if not content_range.startswith(f"bytes {position}-"):
        raise CarrierError(f"{shown(url)} was asked for bytes from {position} on and answered {content_range!r}")
    return position


def _retry_after(text: str) -> float:
    if text.strip().isdecimal():
        return float(text)
    with contextlib.suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return 0.0


def _pause_seconds(failures: int) -> float:
    return min(PAUSE_LIMIT_SECONDS, PAUSE_FIRST_SECONDS * 2.0 ** max(0, failures - 1))


def _reason(error: HTTPError) -> str:
    cause = getattr(error, "reason", None) or error
    return f"{type(cause).__name__}: {cause}"[:300]


def _proxy(url: str) -> str:
    """The proxy of the environment for a URL, or an empty string."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    return urllib.request.getproxies().get(parts.scheme, "")
