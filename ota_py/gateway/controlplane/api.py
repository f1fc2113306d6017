"""The client of the control plane's HTTP API: it gets the assignment and delivers reports.

Standard library only, one kept-alive connection: the agent keeps this in memory for months. An answer of the
API carries no authority; it names a version, and the engine decides by signatures.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ota_py import __version__, names
from ota_py.contract.reports import Report
from ota_py.errors import ConfigError, ControlPlaneError, OtaError, RejectedError
from ota_py.http_deadline import Deadline, HttpsConnection

TIMEOUT_SECONDS = 10.0
# A server that drips a byte every few seconds keeps every single wait short: so the whole has a limit, too.
REQUEST_SECONDS = 30.0
RETRY_AFTER_MAX_SECONDS = 3600.0
ANSWER_MAX_BYTES = 1024 * 1024
TOKEN_MAX_CHARS = 1024
# Statuses that speak of us or of the moment, not of the content of a request: try again later.
RETRIABLE = frozenset({401, 403, 404, 408, 409, 425, 429})


@dataclass(frozen=True)
class Assignment:
    """An assignment: the version that the control plane wants this gateway to run."""

    version: str
    rollout: int
    critical: bool


@dataclass(frozen=True)
class Receipt:
    """The control plane's answer to reports: which it accepted, and which it had already, by report id."""

    accepted: tuple[str, ...]
    duplicates: tuple[str, ...]


class Api:
    """One gateway's connection to the control plane. Not thread-safe.

    Args:
        url: base address of the control plane, `http(s)://host[:port][/path]`, without `/api/v1`.
        gateway_id: checked id of this gateway.
        token_file: holds the bearer token; read for every request, so that a rotated one is used at once.
        ca_file: PEM certificates to trust for https instead of the system's.
        timeout_seconds: limit for the connection and for every wait on it.
        request_seconds: limit for a whole request, from the TLS handshake to the last byte of the answer.
    """

    def __init__(
        self,
        url: str,
        gateway_id: str,
        token_file: Path,
        ca_file: Path | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self.url = url
        self._base = f"{urlsplit(url).path.rstrip('/')}/api/v1/gateways/{gateway_id}"
        self._token_file = token_file
        self._connection = _connection(url, ca_file, timeout_seconds)
        self._request_seconds = request_seconds
        self._refused_token: str | None = None

    def assignment(self) -> Assignment | None:
        """The assignment of this gateway now, or None.

        Raises:
            ControlPlaneError: the control plane is unreachable, refused, or gave no answer of this API.
        """
        status, raw = self._request("GET", "/assignment")
        if status == 204:
            return None
        data = self._json(raw)
        try:
            version, rollout = data["version"], data["rollout"]
            names.parse_version(version)
            if not isinstance(rollout, int) or isinstance(rollout, bool):
                raise TypeError("rollout is not an integer")
            return Assignment(version, rollout, bool(data.get("critical", False)))
        except (KeyError, TypeError, OtaError) as error:
            raise ControlPlaneError(f"{self.url} answered with an unusable assignment: {error}") from None

    def post_reports(self, reports: list[Report]) -> Receipt:
        """Deliver reports; each is counted once by its id, however often it is sent.

        Raises:
            RejectedError: the control plane refuses the content of at least one of them.
            ControlPlaneError: any other failure; try again later.
        """
        _, raw = self._request("POST", "/reports", {"reports": reports})
        data = self._json(raw)
        try:
            return Receipt(tuple(data["accepted"]), tuple(data["duplicates"]))
        except (KeyError, TypeError) as error:
            raise ControlPlaneError(f"{self.url} answered reports unexpectedly: {error!r}") from None

    def has_new_token(self) -> bool:
        """Whether the token that was refused has been replaced since."""
        if self._refused_token is None:
            return False
        try:
            return _read_token(self._token_file) != self._refused_token
        except ConfigError:  # just being written
            return False

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        self._connection.close()

    def _request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        token = _read_token(self._token_file)
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "User-Agent": f"ota-agent/{__version__}",
        }
        payload = None
        if body is not None:
            payload = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        # A server may close an idle connection at the moment we use it. Both requests may be
        # repeated without harm, so a connection that was open before gets one second chance.
        attempts = 2 if self._connection.sock is not None else 1
        for left in reversed(range(attempts)):
            deadline = Deadline(self._request_seconds, lambda: self._connection.sock)
            try:
                with deadline:
                    response, raw = self._exchange(method, self._base + path, payload, headers)
                    if deadline.has_passed:  # headers that end early look like an answer
                        raise TimeoutError
                    if response.length:
                        raise http.client.IncompleteRead(raw, response.length)
                break
            except (http.client.RemoteDisconnected, ConnectionError) as error:
                self.close()
                if not left or deadline.has_passed:
                    raise self._unreachable(error, deadline) from None
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise self._unreachable(error, deadline) from None
        self._refused_token = token if response.status in (401, 403) else None
        if response.status in (200, 201, 204):
            return response.status, raw
        raise self._refused(response, raw)

    def _exchange(
        self, method: str, target: str, payload: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(method, target, body=payload, headers=headers)
        response = self._connection.getresponse()
        raw = response.read(ANSWER_MAX_BYTES + 1)
        if len(raw) > ANSWER_MAX_BYTES:
            self.close()
            raise ControlPlaneError(f"{self.url} answered more than {ANSWER_MAX_BYTES} bytes")
        return response, raw

    def _refused(self, response: http.client.HTTPResponse, raw: bytes) -> ControlPlaneError:
        status, message, hint = response.status, "", ""
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            problem = json.loads(raw)["error"]
            message, hint = str(problem["message"])[:300], str(problem.get("hint", ""))[:300]
        text = f"{self.url} answered {status}" + (f": {message}" if message else "")
        if status in (401, 403):
            hint = hint or f"issue a new token for this gateway and put it into {self._token_file}"
        if 400 <= status < 500 and status not in RETRIABLE:
            return RejectedError(text, hint=hint, status=status)
        pause = _seconds(response.getheader("Retry-After")) if status in (429, 503) else 0.0
        return ControlPlaneError(text, hint=hint, status=status, retry_after=pause)

    def _unreachable(self, error: Exception, deadline: Deadline) -> ControlPlaneError:
        why = str(error) or type(error).__name__
        if deadline.has_passed:
            why = f"the answer was not here after {self._request_seconds:g} s"
        return ControlPlaneError(
            f"the control plane at {self.url} cannot be reached: {why}",
            hint="check the network and [api] url; work goes on, reports wait in the outbox",
        )

    def _json(self, raw: bytes) -> dict[str, Any]:
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            self.close()
            raise ControlPlaneError(
                f"{self.url} did not answer with a JSON object",
                hint="is [api] url the control plane's address?",
            )
        return data


def retry_after(error: OtaError) -> float:
    """Seconds that the control plane requested to wait before the next request; 0 without such a request."""
    return float(error.details.get("retry_after", 0.0))


def _seconds(header: str | None) -> float:
    """The value of Retry-After in seconds. A date would need two clocks that agree: it is not used."""
    given = (header or "").strip()
    return min(float(given), RETRY_AFTER_MAX_SECONDS) if given.isdecimal() else 0.0


def _connection(url: str, ca_file: Path | None, timeout_seconds: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"[api] url {url!r} is not usable: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"[api] url {url!r} is not usable", hint="use http://HOST:PORT or https://HOST")
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:  # covers ssl.SSLError: not a certificate
        raise ConfigError(f"[api] ca_file {ca_file} cannot be used: {error}") from None
    return HttpsConnection(host, port, timeout_seconds, context)


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the token file {path} cannot be read: {error}",
            hint="provision the gateway again, or fix its mode",
        ) from None
    if not token or len(token) > TOKEN_MAX_CHARS or not token.isprintable() or " " in token:
        raise ConfigError(f"the token file {path} does not hold one token", hint="provision the gateway again")
    return token
