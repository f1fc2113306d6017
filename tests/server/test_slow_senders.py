"""A50: who sends slowly, or nothing, or too much, is cut off, and the others are served meanwhile."""

from __future__ import annotations

import selectors
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests

from ota_py.server.http.request_body import BODY_GRACE_SECONDS, BODY_SECONDS, HEAD_SECONDS
from tests.support.server.serving import Browser, Served, serving

pytestmark = pytest.mark.case("A50")

# Of each kind: together more than granian's own limit of connections, and far more than threads.
SLOW = 100
# Of a busy machine; a poll that waits for a slow sender takes as long as that one.
POLL_SECONDS = 3.0
SLACK_SECONDS = 15.0
DRIP_SECONDS = 0.5
REPORTS = b"POST /api/v1/gateways/boston_001/reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
OWN = REPORTS + b"Authorization: Bearer TOKEN\r\n"
LOGIN = (
    b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Cookie: csrftoken=abcdefghijklmnopqrstuvwxyz012345\r\n"
)
KINDS = {
    "nothing is sent": (b"", b""),
    "heads that drip": (b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"a"),
    "heads that stall": (b"GET /api/v1/health HTTP/1.1\r\nHost:", b""),
    "headers without an end": (b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"),
    "a stranger's bodies": (REPORTS + b"Content-Length: 100000\r\n\r\n{", b" "),
    "bodies that drip": (OWN + b"Content-Length: 100000\r\n\r\n{", b" "),
    "bodies that stall": (OWN + b"Content-Length: 100000\r\n\r\n" + b" " * 500, b""),
    "chunks that drip": (OWN + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "a chunk that stalls": (OWN + b"Transfer-Encoding: chunked\r\n\r\n5000\r\nabc", b""),
    "a form that drips": (LOGIN + b"Content-Length: 90000\r\n\r\nusername=", b"a"),
    "bodies of unknown paths": (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n", b"a"),
    "bodies that a GET has": (REPORTS.replace(b"POST", b"GET") + b"Content-Length: 9000\r\n\r\n", b"a"),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""),
    "half a preface": (b"PRI * HT", b""),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("slow")) as found:
        yield found


@pytest.fixture(scope="module")
def token(served: Served) -> str:
    token: str = served.operator.add_gateway("boston_001", delivery="pull")["token"]
    return token


class Senders:
    """Slow connections: each begins alike, then sends the same few bytes again and again."""

    def __init__(self, port: int, number: int, begin: bytes, drip: bytes) -> None:
        self._drip = drip
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self.answers: list[bytes] = []
        self.open = number
        for _ in range(number):
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.sendall(begin)
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ, bytearray())
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def _run(self) -> None:
        while not self._stop.is_set() and self.open:
            began = time.monotonic()
            while (left := began + DRIP_SECONDS - time.monotonic()) > 0 and self.open:
                for key, _ in self._selector.select(left):
                    self._read(key)
            for key in list(self._selector.get_map().values()):
                try:
                    key.fileobj.send(self._drip)  # type: ignore[union-attr]
                except OSError:
                    self._gone(key)

    def _read(self, key: selectors.SelectorKey) -> None:
        try:
            data = key.fileobj.recv(65536)  # type: ignore[union-attr]
        except OSError:
            data = b""
        key.data.extend(data)
        if not data:
            self._gone(key)

    def _gone(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]
        self.answers.append(bytes(key.data))
        self.open -= 1


@contextmanager
def slow(served: Served, token: str, kind: str, number: int = SLOW) -> Iterator[Senders]:
    begin, drip = KINDS[kind]
    senders = Senders(served.port, number, begin.replace(b"TOKEN", token.encode()), drip)
    try:
        yield senders
    finally:
        senders.stop()


def poll(served: Served, token: str) -> float:
    """How long one poll takes, on a connection of its own."""
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    url = f"{served.url}/api/v1/gateways/boston_001/assignment"
    assert requests.get(url, headers=headers, timeout=POLL_SECONDS).status_code == 204
    return time.monotonic() - began


def report_body() -> bytes:
    return b'{"reports": [' + b" " * 200_000 + b"]}"


def test_slow_senders_are_cut_off_and_polls_are_answered_meanwhile(served: Served, token: str) -> None:
    limit = max(HEAD_SECONDS, BODY_GRACE_SECONDS) + SLACK_SECONDS
    with ExitStack() as stack:
        senders = {kind: stack.enter_context(slow(served, token, kind)) for kind in KINDS}
        deadline, took = time.monotonic() + limit, []
        while any(one.open for one in senders.values()) and time.monotonic() < deadline:
            took.append(poll(served, token))
            time.sleep(0.1)
        assert statistics.median(took) < 0.5, took
        assert {kind: one.open for kind, one in senders.items() if one.open} == {}, f"after {limit:g} s"


@pytest.mark.parametrize("kind", ["bodies that drip", "bodies that stall", "chunks that drip"])
def test_a_slow_body_is_told_why(served: Served, token: str, kind: str) -> None:
    with slow(served, token, kind, 1) as senders:
        deadline = time.monotonic() + BODY_GRACE_SECONDS + SLACK_SECONDS
        while senders.open and time.monotonic() < deadline:
            time.sleep(0.1)
    (answer,) = senders.answers
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "too_slow"' in answer


def test_a_body_at_a_fair_rate_is_taken(served: Served, token: str) -> None:
    body = report_body()
    head = REPORTS + f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(head)
        for start in range(0, len(body), 12_500):
            connection.sendall(body[start : start + 12_500])
            time.sleep(0.5)  # 8 s in all: longer than the grace
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_however_it_is_sent_a_body_ends_in_time(served: Served, token: str) -> None:
    """A rate that is just enough, for ever: the total counts."""
    head = REPORTS + f"Authorization: Bearer {token}\r\nContent-Length: 1000000\r\n\r\n".encode()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", served.port), timeout=0.5) as connection:
        connection.sendall(head)
        answer = b""
        while not answer and time.monotonic() < began + BODY_SECONDS + SLACK_SECONDS:
            connection.sendall(b" " * 2000)
            try:
                answer = connection.recv(100)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began >= BODY_SECONDS - 1


def test_a_body_in_chunks_is_taken(served: Served, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = f"{served.url}/api/v1/gateways/boston_001/reports"
    chunks = iter([b'{"reports"', b": [", b"]}"])
    assert requests.post(url, chunks, headers=headers, timeout=30).json() == {"accepted": [], "duplicates": []}


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_long_is_refused(served: Served, token: str, is_chunked: bool) -> None:
    body = b" " * (2 * 1024 * 1024)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = f"{served.url}/api/v1/gateways/boston_001/reports"
    try:
        answer = requests.post(url, iter([body]) if is_chunked else body, headers=headers, timeout=30)
    except requests.ConnectionError:
        return  # hung up on while it still sent: refused as well
    assert answer.status_code == 413


def test_sign_ins_take_no_thread_of_the_polls(served: Served, token: str) -> None:
    """Hashing a password takes long: many at once are many times as long."""
    threads = [threading.Thread(target=lambda: Browser(served).sign_in("nobody", "wrong password")) for _ in range(12)]
    for thread in threads:
        thread.start()
    took = []
    while any(thread.is_alive() for thread in threads) and len(took) < 50:
        took.append(poll(served, token))
    for thread in threads:
        thread.join()
    assert statistics.median(took) < 0.5, took


def test_one_head_is_not_endless(served: Served, token: str) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n")
        sent = 0
        try:
            while sent < 2_000_000:
                sent += connection.send(b"X-Long: " + b"a" * 10_000 + b"\r\n")
            answer = connection.recv(100)
        except ConnectionError:
            return
    assert b" 431 " in answer or b" 400 " in answer
