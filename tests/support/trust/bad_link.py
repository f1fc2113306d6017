"""A bad link: an HTTP proxy in front of one real server, which misbehaves as a test sets it to."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.http_servers import HttpServer, QuietHandler
from tests.support.ports import free_port

CHUNK_BYTES = 16 * 1024
# Headers of one hop, which the proxy writes by itself.
HOP = {"connection", "transfer-encoding", "keep-alive", "date", "server"}


@dataclass
class Fault:
    """A fault of the link: what happens to answers.

    Attributes:
        path: regular expression that is looked for in the path.
        times: how many answers it happens to; None for all.
        status: answer this instead of asking the server.
        headers: headers of that answer.
        body: body of that answer.
        cut_after: bytes of the body after which the connection is cut.
        hold_after: bytes of the body after which nothing more comes, for as long as the link is open.
        bytes_per_second: how fast the body comes.
        ignore_range: answer a request for a part with the whole.
    """

    path: str = ""
    times: int | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    cut_after: int | None = None
    hold_after: int | None = None
    bytes_per_second: float | None = None
    ignore_range: bool = False


@dataclass
class Request:
    """A request that came, and what was sent for it."""

    method: str
    path: str
    range: str
    status: int = 0
    sent: int = 0
    at: float = field(default_factory=time.monotonic)


class BadLink:
    """`address` leads to `server` (both `host:port`), with `faults`; the first that fits counts."""

    def __init__(self, server: str, host: str = "127.0.0.1") -> None:
        self.server = server
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        link = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                link._answer(self)

            do_HEAD = do_GET  # noqa: N815

        self._http = HttpServer(Handler, host, free_port())
        self.address = self._http.address

    def close(self) -> None:
        """Take no connections from now on."""
        self._closed.set()
        self._http.close()

    def sent(self, path: str) -> int:
        """Bytes of bodies sent for paths in which the regular expression is found."""
        return sum(request.sent for request in self.requests if re.search(path, request.path))

    def _fault(self, path: str) -> Fault:
        with self._lock:
            for fault in self.faults:
                if fault.times != 0 and re.search(fault.path, path):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return Fault()

    def _answer(self, handler: QuietHandler) -> None:
        asked = Request(handler.command, handler.path, handler.headers.get("Range", ""))
        self.requests.append(asked)
        fault = self._fault(handler.path)
        if fault.status is not None:
            asked.status = fault.status
            handler.send(fault.status, dict(fault.headers), fault.body)
            return
        connection = http.client.HTTPConnection(self.server, timeout=60)
        try:
            connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():  # a header may stand there more than once
                if name.lower() not in HOP and not (fault.ignore_range and name.lower() == "range"):
                    connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            told = {name: value for name, value in answer.getheaders() if name.lower() not in HOP}
            asked.status = answer.status
            if asked.range and answer.status == 200 and not fault.ignore_range:
                asked.status = 206
                _skip(answer, asked.range, told)
            handler.send_response(asked.status)
            for name, value in told.items():
                handler.send_header(name, value)
            handler.end_headers()
            if handler.command != "HEAD":
                self._body(handler, answer, fault, asked)
        except OSError:
            handler.close_connection = True
        finally:
            connection.close()

    def _body(self, handler: QuietHandler, answer: http.client.HTTPResponse, fault: Fault, asked: Request) -> None:
        size = CHUNK_BYTES if fault.bytes_per_second is None else max(1, int(fault.bytes_per_second / 10))
        while chunk := answer.read(size):
            if fault.cut_after is not None and asked.sent + len(chunk) > fault.cut_after:
                chunk = chunk[: fault.cut_after - asked.sent]
                asked.sent += len(chunk)
                handler.wfile.write(chunk)
                handler.connection.shutdown(socket.SHUT_RDWR)
                handler.close_connection = True
                return
            if fault.hold_after is not None and asked.sent + len(chunk) > fault.hold_after:
                self._closed.wait()
            asked.sent += len(chunk)  # before it is: who has read all of it may ask at once how much that was
            handler.wfile.write(chunk)
            if fault.bytes_per_second is not None:
                time.sleep(len(chunk) / fault.bytes_per_second)


def _skip(answer: http.client.HTTPResponse, wanted: str, headers: dict[str, str]) -> None:
    """Make a whole answer one to a request for its end: Python's own server knows no parts."""
    start, size = int(wanted.removeprefix("bytes=").rstrip("-")), int(headers["Content-Length"])
    answer.read(start)
    headers["Content-Length"] = str(size - start)
    headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
