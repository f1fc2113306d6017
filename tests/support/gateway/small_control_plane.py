"""A small real HTTP server that speaks the gateway's part of the control plane's API.

It can be stopped and started on the same port, set to assign, to refuse and to misbehave, and it
remembers what it was asked.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.ports import free_port

ASSIGNED = {"version": "1.2.0", "rollout": 7, "critical": False}

TOKEN = "gateway-token-1"


class SmallControlPlane:
    def __init__(self, gateway_id: str = "boston_001") -> None:
        self.gateway_id = gateway_id
        self.token = TOKEN
        self.assigned: dict[str, Any] | None = None
        self.reports: dict[str, dict[str, Any]] = {}
        self.deliveries: list[str] = []  # every report id that came, repeated ones too
        self.refused: set[str] = set()
        self.lose_answers = 0  # take this many posts, then hang up before the answer
        self.answer: tuple[int, bytes] | None = None  # instead of the API's own
        self.refuse_reports = False  # 503, while polls are answered
        self.headers: dict[str, str] = {}  # added to every answer
        self.polls = 0
        self.connections = 0
        self.largest_batch = 0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> SmallControlPlane:
        control_plane = self

        class Handler(_Handler):
            state = control_plane

        # While it is stopped, nobody else may be given its port.
        self.port = self.port or free_port()
        self._server = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._server = None

    def states(self) -> list[str]:
        return [report["state"] for report in self.reports.values() if report["kind"] == "transition"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *args: Any) -> None:
        self.open: set[Any] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)  # here, and not in its thread, which may begin only when all was hung up
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """Close kept-alive connections, as a process that ends does."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):  # its other end is gone already
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: SmallControlPlane

    def setup(self) -> None:
        super().setup()
        self.state.connections += 1

    def finish(self) -> None:
        self.server.open.discard(self.connection)  # type: ignore[attr-defined]
        super().finish()

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.state.polls += 1
        if self._stopped_early(f"/api/v1/gateways/{self.state.gateway_id}/assignment"):
            return
        if self.state.assigned is None:
            return self._send(204)
        return self._send(200, json.dumps(self.state.assigned).encode())

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        if len(raw := self.rfile.read(length)) < length:  # the link was cut
            self.close_connection = True
            return None
        if self._stopped_early(f"/api/v1/gateways/{self.state.gateway_id}/reports"):
            return None
        if self.state.refuse_reports:
            return self._error(503, "the database is away")
        reports = json.loads(raw)["reports"]
        self.state.largest_batch = max(self.state.largest_batch, len(raw))
        if any(report["id"] in self.state.refused for report in reports):
            return self._error(422, "a report is not valid")
        accepted, duplicates = [], []
        for report in reports:
            self.state.deliveries.append(report["id"])
            (duplicates if report["id"] in self.state.reports else accepted).append(report["id"])
            self.state.reports.setdefault(report["id"], report)
        if self.state.lose_answers:
            self.state.lose_answers -= 1
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        return self._send(200, json.dumps({"accepted": accepted, "duplicates": duplicates}).encode())

    def _stopped_early(self, expected_path: str) -> bool:
        if self.state.answer is not None:
            self._send(*self.state.answer)
        elif self.headers.get("Authorization") != f"Bearer {self.state.token}":
            self._error(401, "unknown token")
        elif self.path != expected_path:
            self._error(404, f"no such path {self.path}")
        else:
            return False
        return True

    def _error(self, status: int, message: str) -> None:
        body = {"error": {"code": "refused", "message": message, "hint": ""}}
        self._send(status, json.dumps(body).encode())

    def _send(self, status: int, body: bytes = b"") -> None:
        with contextlib.suppress(ConnectionError):  # the link was cut
            self._write(status, body)

    def _write(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in self.state.headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def kinds(control_plane, kind):
    return [report for report in control_plane.reports.values() if report["kind"] == kind]


def delivered(control_plane, state="COMMITTED"):
    return lambda: state in control_plane.states()
