"""Probes against real servers that behave badly, and a real broker that wants credentials."""

from __future__ import annotations

import itertools
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ota_py.gateway.config.model import LocalMqttProbe
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.health import probes
from ota_py.manifest_health import HttpProbe, MqttProbe, TcpProbe
from tests.support.brokers import USERS, Broker
from tests.support.ports import free_port

NOBODY = Compose(Path("/nowhere"))
# For what ends by itself, and not because time is up.
PATIENT_SECONDS = 60.0


@pytest.fixture(autouse=True)
def grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine also a probe that notices that time is up needs some."""
    monkeypatch.setattr(probes, "_GRACE_SECONDS", 30.0)


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where each connection gets `answer`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=attempt, args=(connection,), daemon=True).start()

        def attempt(connection: socket.socket) -> None:
            with connection:
                try:
                    answer(connection)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def drip(piece: bytes, head: bytes = b"") -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in itertools.count():
            connection.sendall(piece)
            time.sleep(0.02)

    return answer


def flood(piece: bytes, head: bytes = b"") -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return answer


def silence(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.recv(1000)


OK = b"HTTP/1.1 200 OK\r\n"


def get(port: int, path: str = "/", seconds: float = 0.4, **fields: object) -> HttpProbe:
    return HttpProbe(type="http", url=f"http://127.0.0.1:{port}{path}", timeout_seconds=seconds, **fields)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (drip(b"H"), "no whole answer within 0.4 s"),
        (drip(b"X-A: b\r\n", OK), "no whole answer within 0.4 s"),
        (drip(b"HTTP/1.1 100 Continue\r\n\r\n"), "no whole answer within 0.4 s"),
        (silence, "no whole answer within 0.4 s"),
        (flood(b"H" * 65536), "got more than 65536 bytes"),
        (flood(b"A" * 65536, OK + b"X: "), "got more than 65536 bytes"),
        (lambda connection: connection.recv(1000) and None, "closed connection without response"),
        (lambda connection: connection.sendall(b"nonsense\r\n\r\n"), "nonsense"),
        (lambda connection: connection.sendall(b"HTTP/1.1 500 No\r\n\r\n"), "status 500, expected 200"),
        (flood(b"B" * 65536, OK + b"\r\n"), ""),
    ],
    ids=["line", "head", "100", "silence", "long-line", "long-head", "closed", "nonsense", "500", "body"],
)  # fmt: skip
def test_a_bad_http_answer_neither_hangs_nor_fills_the_memory(
    answer: Callable[[socket.socket], None], wrong: str
) -> None:
    with server(answer) as port:
        tracemalloc.start()
        begun = time.monotonic()
        is_ended = wrong == "no whole answer within 0.4 s"
        (found,) = probes.run_all([get(port, seconds=0.4 if is_ended else PATIENT_SECONDS)], NOBODY)
        took = time.monotonic() - begun
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert found == wrong if wrong == "" else wrong in found
    assert took < 25, "sooner than it is given up"
    assert peak < 8 * 1024**2


def test_a_server_that_took_longer_to_find_than_the_probe_has_is_cut_off_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When time was up there was no connection yet that could be cut."""
    connect = socket.create_connection

    def slow(*arguments: Any, **options: Any) -> socket.socket:
        time.sleep(1)
        return connect(*arguments, **options)

    monkeypatch.setattr(socket, "create_connection", slow)
    with server(drip(b"H")) as port:
        begun = time.monotonic()
        assert probes.run_all([get(port)], NOBODY) == ["no whole answer within 0.4 s"]
        assert time.monotonic() - begun < 25, "sooner than it is given up"


def test_the_expected_status_passes() -> None:
    with server(lambda c: c.sendall(b"HTTP/1.1 404 Gone\r\n\r\n")) as port:
        assert probes.run_all([get(port, "/a?b=c", PATIENT_SECONDS, status=404)], NOBODY) == [""]


def test_all_probes_run_at_once_and_none_is_waited_for_longer_than_it_may_take() -> None:
    over = threading.Event()

    def stuck(*_: object) -> str:
        over.wait(60)
        return ""

    with server(silence) as port, pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "_tcp", stuck)
        patch.setattr(probes, "_GRACE_SECONDS", 5.0)
        tcp = TcpProbe(type="tcp", host="127.0.0.1", port=port, timeout_seconds=0.2)
        begun = time.monotonic()
        found = probes.run_all([tcp, *[get(port)] * 20], NOBODY)
        took = time.monotonic() - begun
        over.set()
        assert took < 30
        assert found == ["no answer within 0.2 s", *["no whole answer within 0.4 s"] * 20]


def test_the_transactions_time_limits_a_probe() -> None:
    with server(silence) as port:
        begun = time.monotonic()
        slow = get(port).model_copy(update={"timeout_seconds": 60})
        assert probes.run_all([slow], NOBODY, 0.2) == ["no whole answer within 0.2 s"]
        assert time.monotonic() - begun < 25, "sooner than its own time is up, or it is given up"


def test_a_closed_port() -> None:
    port = free_port()
    found = probes.run_all(
        [TcpProbe(type="tcp", host="127.0.0.1", port=port), get(port, seconds=PATIENT_SECONDS)], NOBODY
    )
    assert all("Connection refused" in problem for problem in found)


# -- a broker that wants credentials ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("broker")).start()
    yield made
    made.stop()


def mqtt(broker: Broker, tmp_path: Path, password: str = USERS["control"], **fields: object) -> LocalMqttProbe:
    (tmp_path / "password").write_text(f"{password}\n")
    values = {
        "type": "mqtt",
        "host": "127.0.0.1",
        "port": broker.port,
        "username": "control",
        "password_file": str(tmp_path / "password"),
        "ca_file": str(broker.ca_file),
        "timeout_seconds": PATIENT_SECONDS,
        **fields,
    }
    return LocalMqttProbe.model_validate(values)


def test_a_round_trip_with_password_and_tls(broker: Broker, tmp_path: Path) -> None:
    assert probes.run(mqtt(broker, tmp_path), NOBODY) == ""


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"password": "wrong"}, "the broker refuses the connection: Not authorized"),
        ({"username": None}, "the broker refuses the connection: Not authorized"),
        ({"topic": "not/ours", "timeout_seconds": 3.0}, "not/ours"),
        ({"ca_file": None, "timeout_seconds": 0.5}, "in time"),
        ({"password_file": "/nowhere/password"}, "No such file or directory: '/nowhere/password'"),
    ],
    ids=["password", "anonymous", "topic", "no-tls", "no-file"],
)
def test_why_a_broker_does_not_pass(broker: Broker, tmp_path: Path, fields: dict, wrong: str) -> None:
    assert wrong in probes.run(mqtt(broker, tmp_path, **fields), NOBODY)


def test_an_updates_probe_never_gets_a_file_of_the_gateway() -> None:
    with pytest.raises(ValueError, match="password_file"):
        MqttProbe.model_validate({"type": "mqtt", "host": "h", "password_file": "/etc/ota/token"})
