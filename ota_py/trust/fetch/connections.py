"""HTTP connections with a deadline for the handshake, for an answer's head, and for each part of its body.

A timeout of a socket is for one wait. A server that sends a byte of a TLS handshake, of headers, or of the
length of a chunk every few seconds, or answers `100 Continue` again and again, stays below it for days.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError

from ota_py.http_deadline import Deadline

# For connecting and the handshake, for the head of an answer, and for each part of its body.
ANSWER_SECONDS = 60.0


class _ConnectionWithDeadline(HTTPConnection):
    # A second handle on the socket while hands are shaken: TLS takes the first one away.
    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        self._handle = connected.dup()
        return connected

    def connect(self) -> None:
        try:
            with _limited(lambda: self._handle):
                super().connect()
        finally:
            if self._handle is not None:
                self._handle.close()

    def getresponse(self) -> Any:
        line = self.sock
        with _limited(lambda: line):
            answer: Any = super().getresponse()
        # The connection may have let it go by then, and the body is still read from it.
        answer.line = line
        return answer


class _TlsConnectionWithDeadline(_ConnectionWithDeadline, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _ConnectionWithDeadline


class _PoolWithTls(HTTPSConnectionPool):
    ConnectionCls = _TlsConnectionWithDeadline


def use(pools: PoolManager) -> PoolManager:
    """Let a pool manager make connections with deadlines."""
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _PoolWithTls}
    return pools


def limited(answer: Any) -> contextlib.AbstractContextManager[None]:
    """Hang up when the next part of an answer's body takes too long.

    A body without chunks is read as it comes, one wait at a time: it needs no watch.

    Raises:
        ProtocolError: it took too long.
    """
    return _limited(lambda: answer.line) if answer.chunked else contextlib.nullcontext()


@contextlib.contextmanager
def _limited(line: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Shut the connection down after `ANSWER_SECONDS`, and raise: what was read by then may look like an answer.

    Args:
        line: gives the socket, or None while there is none.
    """
    deadline = Deadline(ANSWER_SECONDS, line)
    try:
        with deadline:
            yield
    finally:
        if deadline.has_passed:
            raise ProtocolError(f"no answer after {ANSWER_SECONDS:g} s")
