"""HTTP servers on loopback: by a handler of the test's own, by a script, or of a directory's files."""

from __future__ import annotations

import functools
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = tuple[int, dict[str, str], bytes]
Script = Callable[[str, dict[str, str]], Answer]


class QuietHandler(BaseHTTPRequestHandler):
    """A handler that logs nothing."""

    def log_message(self, *_: object) -> None:
        pass

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send a whole answer; its length is added."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class HttpServer:
    """A server that runs from now on, each connection in a thread of its own; `address` is its `host:port`."""

    def __init__(
        self,
        handler: Callable[..., BaseHTTPRequestHandler],
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._http = ThreadingHTTPServer((host, port), handler)
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.address = f"{host}:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no connection from now on; those that are open are left alone."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve until the block ends; gives `host:port`."""
    server = HttpServer(handler, tls=tls)
    try:
        yield server.address
    finally:
        server.close()


@contextmanager
def scripted(script: Script) -> Iterator[str]:
    """Serve what a script answers to path and headers: for answers that a real server gives only seldom."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send(*script(self.path, {name.lower(): value for name, value in self.headers.items()}))

    with serving(Handler) as address:
        yield address


@contextmanager
def serving_directory(directory: Path) -> Iterator[str]:
    """Serve the files below a directory; gives the URL."""

    class Handler(QuietHandler, SimpleHTTPRequestHandler):
        pass

    with serving(functools.partial(Handler, directory=str(directory))) as address:
        yield f"http://{address}"
