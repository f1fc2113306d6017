"""Probes: checks of what a user of the gateway's services would notice.

No probe waits longer than its time, whatever it talks to: an answer that drips in for ever, or never
ends, is a failure like no answer.
"""

from __future__ import annotations

import http.client
import math
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from ota_py.errors import OtaError
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.health import mqtt_probe
from ota_py.http_deadline import Deadline, HttpsConnection
from ota_py.manifest_health import AnyProbe, CommandProbe, HttpProbe, MqttProbe, TcpProbe

# How much longer than its own limit a probe may take to notice that time is up.
_GRACE_SECONDS = 1.0


def label(probe: AnyProbe) -> str:
    """The name of a probe for people: `mqtt 127.0.0.1:1883`."""
    if isinstance(probe, HttpProbe):
        return f"http {probe.url}"
    if isinstance(probe, CommandProbe):
        return f"command in {probe.service}: {' '.join(probe.command)[:80]}"
    assert isinstance(probe, TcpProbe | MqttProbe)
    return f"{probe.type} {probe.host}:{probe.port}"


def run_all(probes: Sequence[AnyProbe], compose: Compose, limit_seconds: float = math.inf) -> list[str]:
    """Run probes at the same time; returns for each an empty string, or the problem.

    Args:
        limit_seconds: no probe may take longer, whatever its own limit is.
    """
    found: dict[int, str] = {}
    begun = time.monotonic()
    # Daemon threads, which need not be joined: a name server or a TLS handshake can hold one for longer.
    threads = [
        threading.Thread(target=_note, args=(found, n, probe, compose, limit_seconds), daemon=True)
        for n, probe in enumerate(probes)
    ]
    for thread in threads:
        thread.start()
    for thread, probe in zip(threads, probes, strict=True):
        seconds = min(_timeout(probe), limit_seconds)
        thread.join(max(begun + seconds + _GRACE_SECONDS - time.monotonic(), 0))
    return [found.get(n, f"no answer within {_timeout(probe):g} s") for n, probe in enumerate(probes)]


def run(probe: AnyProbe, compose: Compose, limit_seconds: float = math.inf) -> str:
    """Run one probe; returns an empty string when it passes, else the problem."""
    seconds = max(min(_timeout(probe), limit_seconds), 0.01)
    try:
        if isinstance(probe, HttpProbe):
            return _http(probe, seconds)
        if isinstance(probe, TcpProbe):
            return _tcp(probe, seconds)
        if isinstance(probe, MqttProbe):
            return mqtt_probe.round_trip(probe, seconds)
        assert isinstance(probe, CommandProbe)
        return _command(probe, compose, seconds)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    except OtaError as error:
        return error.message


def _note(found: dict[int, str], n: int, probe: AnyProbe, compose: Compose, limit: float) -> None:
    found[n] = run(probe, compose, limit)


def _timeout(probe: AnyProbe) -> float:
    assert isinstance(probe, HttpProbe | TcpProbe | MqttProbe | CommandProbe)
    return probe.timeout_seconds


def _http(probe: HttpProbe, seconds: float) -> str:
    parts = urlsplit(probe.url)
    host, port = parts.hostname or "", parts.port
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    if parts.scheme == "https":
        connection = HttpsConnection(host, port, seconds, ssl.create_default_context())
    late = f"no whole answer within {seconds:g} s"
    # The library's limit is for each piece that arrives; this one is for all of them.
    deadline = Deadline(seconds, lambda: connection.sock)
    query = f"?{parts.query}" if parts.query else ""
    try:
        with deadline:
            connection.request("GET", (parts.path or "/") + query)
            status = connection.getresponse().status
    except TimeoutError:
        return late
    except (OSError, http.client.HTTPException):
        if deadline.has_passed:
            return late
        raise
    finally:
        connection.close()
    if deadline.has_passed:  # the library takes headers that end early for all of them
        return late
    return "" if status == probe.status else f"status {status}, expected {probe.status}"


def _tcp(probe: TcpProbe, seconds: float) -> str:
    socket.create_connection((probe.host, probe.port), timeout=seconds).close()
    return ""


def _command(probe: CommandProbe, compose: Compose, seconds: float) -> str:
    done = compose.follow(probe.service, probe.command, seconds, {})
    if done.status == 0:
        return ""
    said = f": {'; '.join(done.lines[-5:])}" if done.lines else ""
    return f"exit status {done.status}{said}" if done.status else f"no end within {seconds:g} s{said}"
