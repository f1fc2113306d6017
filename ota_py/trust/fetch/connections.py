"""Connections that hang up on a server that is never silent for long, and never comes to an end.

A timeout of a socket is for one wait. A server that sends a byte of a TLS handshake, of headers, or of the
length of a chunk every few seconds, or says `100 Continue` again and again, stays below it for days.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError

# For connecting and the handshake, for the head of an answer, and for each part of its body.
ANSWER_SECONDS = 60.0


class _HangsUp(HTTPConnection):
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


class _HangsUpWithTls(_HangsUp, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _HangsUp


class _PoolWithTls(HTTPSConnectionPool):
    ConnectionCls = _HangsUpWithTls


def use(pools: PoolManager) -> PoolManager:
    """Let a pool manager make such connections."""
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
def _limited(line: Any) -> Iterator[None]:
    """See `limited`; what was read until then may look like an answer.

    Args:
        line: gives the socket, or None while there is none.
    """
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        if (connected := line()) is not None:
            with contextlib.suppress(OSError):
                # The plain method: the one of ssl would pull the connection from under its reader.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(ANSWER_SECONDS, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if late.is_set():
            raise ProtocolError(f"no answer after {ANSWER_SECONDS:g} s")
