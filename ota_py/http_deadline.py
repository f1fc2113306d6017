"""A deadline for a whole HTTP exchange, and connections on which it also holds during the TLS handshake.

A timeout of a socket is for one wait. A server that sends a byte of a TLS handshake, of headers or of a body
every few seconds stays below it for days; so another thread hangs up when the time for all of it is over.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

# Between two tries to hang up: what is just being connected has nothing yet to hang up on.
HANG_UP_SECONDS = 0.2


class Deadline:
    """Hangs up when the block that it is around takes longer than `seconds`.

    What was read until then may look like an answer: ask `has_passed` before it is used.

    Args:
        line: gives the connection's socket, or None while there is none.
    """

    def __init__(self, seconds: float, line: Callable[[], socket.socket | None]) -> None:
        self.has_passed = False
        self._seconds = seconds
        self._line = line
        self._over = threading.Event()
        # Nobody hangs up on what is done after the block by the same connection.
        self._lock = threading.Lock()

    def __enter__(self) -> Deadline:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._over.set()

    def _watch(self) -> None:
        pause = self._seconds
        while not self._over.wait(pause):
            with self._lock:
                if self._over.is_set():
                    return
                self.has_passed = True
                if (connected := self._line()) is not None:
                    with contextlib.suppress(OSError):
                        # The plain method: the one of ssl would pull the connection from under its reader.
                        socket.socket.shutdown(connected, socket.SHUT_RDWR)
            pause = HANG_UP_SECONDS


class HttpsConnection(http.client.HTTPSConnection):
    """Names its socket before the handshake, so that a handshake that drips can be cut off as well."""

    def __init__(self, host: str, port: int | None, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._ssl_context = context

    def connect(self) -> None:
        """Connect and shake hands."""
        http.client.HTTPConnection.connect(self)
        plain: socket.socket = self.sock
        self.sock = self._ssl_context.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock.do_handshake()
