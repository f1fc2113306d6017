import contextlib
import json
import socket
import ssl
import threading
import time

import pytest

from ota_py.errors import ConfigError, ControlPlaneError, RejectedError
from ota_py.gateway.controlplane.api import Api, Assignment
from tests.support.brokers import certificate


@pytest.fixture
def api(control_plane, token_file):
    return Api(control_plane.url, "boston_001", token_file, timeout_seconds=30)


def report(number, **fields):
    return {"id": f"id-{number}", "kind": "transition", "state": "PULLED", **fields}


def test_nothing_assigned_is_none(api):
    assert api.assignment() is None


def test_an_assignment_is_read(api, control_plane):
    control_plane.assigned = {"version": "1.2.0", "rollout": 7, "critical": True}
    assert api.assignment() == Assignment("1.2.0", 7, True)


@pytest.mark.parametrize(
    "assigned",
    [
        {"version": "1.2", "rollout": 7},
        {"version": "--force", "rollout": 7},
        {"version": ["1.2.0"], "rollout": 7},
        {"version": "1.2.0", "rollout": "7"},
        {"version": "1.2.0", "rollout": True},
        {"rollout": 7},
        {},
    ],
)
def test_an_assignment_that_is_not_one_is_refused(api, control_plane, assigned):
    control_plane.assigned = assigned
    with pytest.raises(ControlPlaneError, match="unusable assignment"):
        api.assignment()


def test_reports_are_accepted_once(api):
    assert api.post_reports([report(1), report(2)]).accepted == ("id-1", "id-2")
    second = api.post_reports([report(2), report(3)])
    assert (second.accepted, second.duplicates) == (("id-3",), ("id-2",))


def test_one_connection_serves_many_requests(api, control_plane):
    for number in range(5):
        api.assignment()
        api.post_reports([report(number)])
    assert control_plane.connections == 1


def test_a_kept_connection_that_the_server_closed_is_opened_again(api, control_plane):
    api.assignment()
    control_plane.stop()
    control_plane.start()
    assert api.assignment() is None
    assert control_plane.connections == 2


def test_a_rotated_token_is_used_at_once(api, control_plane, token_file):
    control_plane.token = "gateway-token-2"
    with pytest.raises(ControlPlaneError, match="answered 401: unknown token") as caught:
        api.assignment()
    assert not isinstance(caught.value, RejectedError)
    assert str(token_file) in caught.value.hint
    token_file.write_text("gateway-token-2")
    assert api.assignment() is None


@pytest.mark.parametrize("content", [None, "", "two words", "x" * 2000, "line\nbreak", "\x00"])
def test_a_token_file_without_one_token_is_a_config_error(api, token_file, content):
    token_file.unlink() if content is None else token_file.write_text(content)
    with pytest.raises(ConfigError, match=str(token_file)):
        api.assignment()


@pytest.mark.parametrize(
    ("status", "rejected"),
    [(400, True), (413, True), (422, True), (404, False), (429, False), (500, False), (302, False)],
)
def test_only_refused_content_is_rejected(api, control_plane, status, rejected):
    control_plane.answer = (status, b"<html>oops</html>")
    with pytest.raises(ControlPlaneError, match=f"answered {status}") as caught:
        api.post_reports([report(1)])
    assert isinstance(caught.value, RejectedError) is rejected


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"\xff\xfe", b"null"])
def test_an_answer_of_something_else_is_an_error(api, control_plane, body):
    control_plane.answer = (200, body)
    with pytest.raises(ControlPlaneError, match="JSON object"):
        api.assignment()
    with pytest.raises(ControlPlaneError, match="JSON object"):
        api.post_reports([report(1)])


def test_a_huge_answer_is_cut_off(api, control_plane):
    control_plane.answer = (200, json.dumps({"version": "1" * 2**21}).encode())
    with pytest.raises(ControlPlaneError, match="more than 1048576 bytes"):
        api.assignment()
    control_plane.answer = None
    assert api.assignment() is None


def test_an_unreachable_control_plane_is_an_error_with_its_address(api, control_plane):
    control_plane.stop()
    with pytest.raises(ControlPlaneError, match=f"{control_plane.url} cannot be reached"):
        api.assignment()
    control_plane.start()
    assert api.assignment() is None


def test_a_silent_server_ends_in_the_timeout(token_file):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        api = Api(f"http://127.0.0.1:{listener.getsockname()[1]}", "boston_001", token_file, timeout_seconds=0.3)
        started = time.monotonic()
        with pytest.raises(ControlPlaneError, match="timed out"):
            api.assignment()
        assert time.monotonic() - started < 8


def test_a_server_that_talks_garbage_is_an_error(token_file):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk():
            connection, _ = listener.accept()
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")
            connection.close()

        threading.Thread(target=talk, daemon=True).start()
        api = Api(f"http://127.0.0.1:{listener.getsockname()[1]}", "boston_001", token_file, timeout_seconds=30)
        with pytest.raises(ControlPlaneError, match="cannot be reached"):
            api.assignment()


@pytest.mark.parametrize("url", ["", "control-plane:8000", "ftp://host", "http://", "http://host:port"])
def test_an_unusable_url_is_a_config_error(token_file, url):
    with pytest.raises(ConfigError, match="url"):
        Api(url, "boston_001", token_file)


def test_a_ca_file_that_is_none_is_a_config_error(token_file):
    with pytest.raises(ConfigError, match="ca_file"):
        Api("https://127.0.0.1", "boston_001", token_file, ca_file=token_file)


def dripping(what, tls=None):
    """A server that keeps every single wait short, and never comes to an end; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener:
            connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            connection.sendall(what)
            while True:
                connection.sendall(b" ")
                time.sleep(0.05)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


@pytest.mark.case("F24")
@pytest.mark.parametrize("what", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_drips_is_cut_off(token_file, tmp_path, what, scheme):
    ca, tls = None, None
    if scheme == "https":
        ca = certificate(tmp_path)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(ca, tmp_path / "key.pem")
    api = Api(f"{scheme}://127.0.0.1:{dripping(what, tls)}", "boston_001", token_file, ca, request_seconds=0.5)
    started = time.monotonic()
    with pytest.raises(ControlPlaneError, match=r"the answer was not here after 0\.5 s"):
        api.assignment()
    assert time.monotonic() - started < 20


@pytest.mark.case("F24")
def test_a_server_that_drips_is_cut_off_also_when_it_took_long_to_find(token_file, monkeypatch):
    """While it is looked for there is no connection yet that could be cut off."""
    connect = socket.create_connection

    def slow(*arguments, **options):
        time.sleep(1)
        return connect(*arguments, **options)

    monkeypatch.setattr(socket, "create_connection", slow)
    port = dripping(b"HTTP/1.1 200 OK\r\nX: ")
    api = Api(f"http://127.0.0.1:{port}", "boston_001", token_file, request_seconds=0.3)
    with pytest.raises(ControlPlaneError, match=r"the answer was not here after 0\.3 s"):
        api.assignment()


@pytest.mark.case("F24")
def test_a_handshake_that_drips_is_cut_off(token_file, tmp_path):
    record = b"\x16\x03\x03\x40\x00"  # a TLS record of 16 KiB is to follow
    url = f"https://127.0.0.1:{dripping(record)}"
    api = Api(url, "boston_001", token_file, certificate(tmp_path), request_seconds=0.5)
    started = time.monotonic()
    with pytest.raises(ControlPlaneError, match=r"the answer was not here after 0\.5 s"):
        api.assignment()
    assert time.monotonic() - started < 20
