"""RSGI entry point, `ota_py.server.http.rsgi:application`: an event loop takes requests in, threads answer them.

A thread that reads a body waits for whoever sends it, and a few slow senders would have all threads. So the
loop reads each request whole (request_body.py), and only then is a thread taken. Slow heads are granian's
matter (`serve`). Sign-ins have threads of their own, because hashing a password takes its time: one for browsers
that were signed in before, and one for strangers (signin.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import sys
from collections.abc import AsyncIterable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from django.conf import settings

from ota_py.server.http.request_body import Intake, TooManyError, TooSlowError
from ota_py.server.http.signin import LOGIN_PATH, WAIT_SECONDS, is_known
from ota_py.server.wsgi import application as wsgi

# Python runs one at a time; the others wait for the database. Each keeps a connection to it.
THREADS = 4
UNNAMED = ("content-type", "content-length")  # headers that WSGI gives without HTTP_

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]
logger = logging.getLogger(__name__)


class Scope(Protocol):
    """A request's head, as granian gives it."""

    client: str
    server: str
    scheme: str
    method: str
    path: str
    query_string: str
    http_version: str
    headers: Any


class Exchange(AsyncIterable[bytes], Protocol):
    """A request's body, and the place of its answer."""

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer."""


class Application:
    """The control plane for one worker of granian."""

    def __init__(self) -> None:
        self._intake = Intake(settings.REQUEST_MAX_BYTES)
        self._threads: ThreadPoolExecutor
        self._sign_ins: ThreadPoolExecutor
        self._known_sign_ins: ThreadPoolExecutor

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start: after the fork, since threads do not survive one."""
        self._threads = ThreadPoolExecutor(THREADS, "request")
        self._sign_ins = ThreadPoolExecutor(1, "sign-in")
        self._known_sign_ins = ThreadPoolExecutor(1, "known-sign-in")

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End when the requests under way are answered."""
        for threads in (self._threads, self._sign_ins, self._known_sign_ins):
            threads.shutdown()

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """Answer one request."""
        body = b""
        if _has_body(scope):
            try:
                body = await self._intake.read(exchange)
            except TooSlowError:
                exchange.response_bytes(*_too_slow())
                return
            except TooManyError:
                exchange.response_bytes(*_too_many())
                return
        try:
            exchange.response_bytes(*await self._answer(_environ(scope, body)))
        finally:
            self._intake.release(body)

    async def _answer(self, environ: Environ) -> Answer:
        threads = self._threads
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == LOGIN_PATH:
            threads = self._known_sign_ins if is_known(environ.get("HTTP_COOKIE", "")) else self._sign_ins
        loop = asyncio.get_running_loop()
        while True:
            answer = await loop.run_in_executor(threads, _call, environ)
            seconds = environ.pop(WAIT_SECONDS, None)
            if seconds is None:
                return answer
            environ["wsgi.input"].seek(0)
            await asyncio.sleep(seconds)


def _has_body(scope: Scope) -> bool:
    """Whether a body is to be read. One that says that it is too long is refused by the application, unread."""
    if "transfer-encoding" in scope.headers:
        return True
    length = scope.headers.get("content-length", "0")
    return length.isdecimal() and 0 < int(length) <= settings.REQUEST_MAX_BYTES


def _environ(scope: Scope, body: bytes) -> Environ:
    """The request as WSGI has it."""
    server, _, port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue  # X_Forwarded_For would read as X-Forwarded-For
        key = name.upper().replace("-", "_")
        key = key if name in UNNAMED else f"HTTP_{key}"
        joint = "; " if name == "cookie" else ","
        environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value
    if "transfer-encoding" in scope.headers:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _call(environ: Environ) -> Answer:
    """Django's answer, in a thread."""
    begun: list[tuple[str, Headers]] = []

    def start(status: str, headers: Headers, _failure: Any = None) -> Callable[[bytes], object]:
        begun[:] = [(status, headers)]
        return _no_write

    try:
        chunks: Iterable[bytes] = wsgi(environ, start)
        try:
            body = b"".join(chunks)
        finally:
            with contextlib.suppress(AttributeError):
                chunks.close()  # type: ignore[attr-defined]
        status, headers = begun[0]
        return int(status[:3]), headers, body
    except Exception:  # whatever it is, the sender gets an answer
        logger.exception("unexpected error in %s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
        from ota_py.server.api.errors import INTERNAL  # not before Django is set up

        return _refusal(500, *INTERNAL)


def _no_write(_data: bytes) -> None:
    raise NotImplementedError("the application answers by what it returns")


def _too_slow() -> Answer:
    return _refusal(408, "too_slow", "the request's body did not come in time", "send it faster, or in parts")


def _too_many() -> Answer:
    message = "the control plane takes in too many large requests at this moment"
    return _refusal(503, "unavailable", message, "try again", ("Retry-After", "5"))


def _refusal(status: int, code: str, message: str, hint: str, *more: tuple[str, str]) -> Answer:
    body = json.dumps({"error": {"code": code, "message": message, "hint": hint}}).encode()
    # What was not read would be taken for the next request.
    return status, [("Content-Type", "application/json"), ("Connection", "close"), *more], body


application = Application()
