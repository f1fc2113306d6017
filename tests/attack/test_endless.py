"""Servers that are never silent and never done: each is cut off, and nothing of it is trusted (A06)."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota_py.errors import CarrierError, RepositoryError
from ota_py.gateway.journal.floor import JournalFloor
from ota_py.gateway.journal.journal import Journal
from ota_py.trust.fetch import carriers, connections
from ota_py.trust.fetch.carriers import WebCarrier
from ota_py.trust.fetch.client import TrustClient
from ota_py.trust.fetch.transfer import HttpTransfer, Throttle
from tests.support.brokers import certificate
from tests.support.gateway.attacked import Box
from tests.support.http_servers import Answer, scripted
from tests.support.trust.simulator import Drip

pytestmark = [pytest.mark.case("A06"), pytest.mark.timeout(300)]

# Far below the machine's own hiccups on one side, far above the limits set here on the other.
SOON_SECONDS = 60.0


@contextlib.contextmanager
def dripping(first: bytes, again: bytes, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers every connection with `first`, and then `again` and again; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            used = tls.wrap_socket(connection, server_side=True) if tls else connection
            used.sendall(first)
            while not ended.wait(0.05):
                used.sendall(again)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.close()


def cut_off(url: str, ca_file: Path | None = None) -> CarrierError:
    """The error with which a transfer gives up on a server, soon enough to show that it did not wait for the end."""
    begun = time.monotonic()
    with pytest.raises(CarrierError) as caught:
        list(HttpTransfer(Throttle(), tries=1, ca_file=ca_file and str(ca_file)).stream(url))
    assert time.monotonic() - begun < SOON_SECONDS
    return caught.value


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    ],
    ids=["a header", "headers", "100 Continue", "a chunk's length", "a chunk's length, closing"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_that_never_gets_to_its_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, first: bytes, again: bytes
) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.5)
    ca, tls = None, None
    if scheme == "https":
        ca = certificate(tmp_path)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(ca, tmp_path / "key.pem")
    with dripping(first, again, tls) as address:
        error = cut_off(f"{scheme}://{address}/x", ca)
    # So many headers are an error by themselves, if they come before the time is over.
    assert "no answer after 0.5 s" in error.message or "got more than 100 headers" in error.message


def test_a_handshake_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.5)
    record = b"\x16\x03\x03\x40\x00"  # a TLS record of 16 KiB is to follow
    with dripping(record, b" ") as address:
        assert "no answer after 0.5 s" in cut_off(f"https://{address}/x", certificate(tmp_path)).message


def test_metadata_that_drips(box: Box) -> None:
    """Below the slowest rate that is borne: the gateway gives up, and what it trusts stays."""
    data = box.publisher.store.get("metadata/timestamp.json")
    box.mirror.instead["metadata/timestamp.json"] = Drip(data, step=1, pause_seconds=0.05)
    carrier = WebCarrier(box.mirror.url + "/")
    carrier._link = HttpTransfer(Throttle(), tries=1, grace_seconds=0.3)
    before = box.state()
    with pytest.raises(RepositoryError, match=r"timestamp\.json is too slow: \d+ bytes in "):
        look_through(box, carrier)
    assert box.state() == before
    box.heals()


def test_delays_that_are_spread_over_many_answers(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is quick enough by itself; it is all of them together that has an end."""
    monkeypatch.setattr(carriers, "PATIENCE_SECONDS", 0.4)
    for version in range(2, 12):
        box.mirror.instead[f"metadata/{version}.root.json"] = Drip(
            box.forger.serve_root(lambda root: None, "root", version=version), step=10_000, pause_seconds=0.2
        )
    before = box.state()
    words = "it is too slow: the time for all of it is over"
    with pytest.raises(RepositoryError, match=words):
        look_through(box, WebCarrier(box.mirror.url + "/"))
    assert "metadata/11.root.json" not in box.mirror.requests
    after = box.state()
    assert {name for name in after if after[name] != before.get(name)} <= {
        "metadata/root.json",
        *(f"metadata/root_history/{version}.root.json" for version in range(2, 12)),
    }


def look_through(box: Box, carrier: WebCarrier) -> None:
    with Journal(box.config) as journal:
        floor = JournalFloor(journal)
        TrustClient(box.config.root, box.config.trust_dir, box.mirror.url + "/", floor, carrier).refresh()


def test_a_server_that_leads_in_circles(box: Box) -> None:
    asked: list[str] = []

    def lead_on(path: str, headers: dict[str, str]) -> Answer:
        asked.append(path)
        return 302, {"Location": f"/{len(asked)}"}, b""

    with scripted(lead_on) as address:
        error = cut_off(f"http://{address}/0")
    assert "too many redirects" in error.message
    assert len(asked) == 6
