"""A deadline holds for all of an exchange, the TLS handshake included, and for nothing after it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from ota_py.http_deadline import Deadline, HttpsConnection

LIMIT_SECONDS = 0.3
# A loaded machine takes its time; without a deadline it would be minutes.
SOON_SECONDS = 20.0
# The beginning of a TLS record of 16 KiB, of which a byte comes now and then.
HANDSHAKE = b"\x16\x03\x03\x40\x00\x02"
HEADERS = b"HTTP/1.1 200 OK\r\nX-Long: "


@contextlib.contextmanager
def dripping(beginning: bytes) -> Iterator[int]:
    """The port of a server that is never silent for long, and never comes to an end."""
    over = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            connection.sendall(beginning)
            while not over.wait(0.05):
                connection.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("with_tls", [False, True])
def test_a_server_that_drips_is_hung_up_on(with_tls: bool) -> None:
    with dripping(HANDSHAKE if with_tls else HEADERS) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        if with_tls:
            connection = HttpsConnection("127.0.0.1", port, 60, ssl.create_default_context())
        begun = time.monotonic()
        deadline = Deadline(LIMIT_SECONDS, lambda: connection.sock)
        with contextlib.suppress(OSError, http.client.HTTPException), deadline:
            connection.request("GET", "/")
            connection.getresponse()
        assert deadline.has_passed
        assert time.monotonic() - begun < SOON_SECONDS
        connection.close()


def test_a_connection_that_is_made_too_late_is_hung_up_on() -> None:
    made: list[socket.socket] = []
    ours, theirs = socket.socketpair()
    with ours, theirs, Deadline(0.05, lambda: made[0] if made else None) as deadline:
        while not deadline.has_passed:
            time.sleep(0.01)
        made.append(ours)
        theirs.settimeout(SOON_SECONDS)
        assert theirs.recv(1) == b""


def test_what_is_done_after_the_block_is_left_alone() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with Deadline(0.05, lambda: ours) as deadline:
            pass
        time.sleep(0.4)
        assert not deadline.has_passed
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"


def test_an_error_of_the_block_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError), Deadline(60, lambda: None):
        raise ZeroDivisionError
