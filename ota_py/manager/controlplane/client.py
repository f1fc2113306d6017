"""Client of the control plane's API: one keep-alive session, one method for each endpoint.

Answers are the JSON objects of `docs/reference/openapi.json`, as dicts. What gateways reported is in them, so
characters that would steer a terminal are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, NoReturn
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from ota_py.contract.fleet import GatewayResult
from ota_py.contract.reports import Report
from ota_py.errors import ConflictError, ControlPlaneError, NotFoundError, UsageError
from ota_py.manager.system.http_errors import reason
from ota_py.text.printable import printable, printable_data

Json = dict[str, Any]

API = "/api/v1"
TIMEOUT_SECONDS = (5.0, 30.0)  # to connect, to answer
# A request that never left, and a GET whose kept-alive connection died, are safe to repeat.
RETRIES = Retry(total=2, connect=2, read=2, status=0, backoff_factor=0.2, allowed_methods=["GET"])
ERRORS_BY_STATUS = {400: UsageError, 404: NotFoundError, 409: ConflictError, 422: UsageError}
REPORTS_PER_REQUEST = 1000


class ControlPlane:
    """The control plane at a URL, as the holder of a token sees it.

    Every method raises:
        ControlPlaneError: unreachable, the token was refused, or an answer that makes no sense.
        NotFoundError, ConflictError, UsageError: the control plane's own errors (404, 409, 400 and 422).
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        adapter = HTTPAdapter(max_retries=RETRIES)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._session.auth = _Bearer(token)

    def __enter__(self) -> ControlPlane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._session.close()

    # -- itself ---------------------------------------------------------------------------------

    def health(self) -> Json:
        """The control plane's health, `{"status", "version"}`; needs no token."""
        return self._object("GET", "/health")

    def statistics(self) -> Json:
        """The fleet's statistics: success rates by update, gateways by version, the last rollbacks."""
        return self._object("GET", "/statistics")

    def events(self, *, gateway: str | None = None, rollout: int | None = None, limit: int | None = None) -> list[Json]:
        """Events, newest first, of all or of one gateway or rollout."""
        return self._objects("/events", "events", gateway=gateway, rollout=rollout, limit=limit)

    def inventory(self) -> Json:
        """Ansible's dynamic inventory."""
        return self._object("GET", "/inventory")

    # -- gateways -------------------------------------------------------------------------------

    def gateways(
        self,
        *,
        state: str | None = None,
        group: str | None = None,
        version: str | None = None,
        differs: bool | None = None,
    ) -> list[Json]:
        """Gateways: all, or those of a state, group or version, or that run other images than their updates name."""
        return self._objects("/gateways", "gateways", state=state, group=group, version=version, differs=differs)

    def gateway(self, gateway: str) -> Json:
        """One gateway."""
        return self._object("GET", f"/gateways/{_part(gateway)}")

    def add_gateway(
        self,
        gateway: str,
        *,
        delivery: str,
        address: str = "",
        groups: Iterable[str] = (),
        hardware: str = "",
    ) -> Json:
        """Register a gateway: `{"gateway": {...}, "token": "..."}`; the token is never shown again."""
        body = {
            "id": gateway,
            "delivery": delivery,
            "address": address,
            "groups": list(groups),
            "hardware": hardware,
        }
        return self._object("POST", "/gateways", body)

    def change_gateway(self, gateway: str, **fields: Any) -> Json:
        """Change a gateway's delivery, address, groups or hardware."""
        return self._object("PATCH", f"/gateways/{_part(gateway)}", fields)

    def rotate_gateway_token(self, gateway: str) -> Json:
        """A new token for a gateway; the one before is revoked."""
        return self._object("POST", f"/gateways/{_part(gateway)}/token")

    def assignment(self, gateway: str) -> Json | None:
        """The assignment of a pull gateway, `{"version", "rollout", "critical"}`, or None."""
        path = f"/gateways/{_part(gateway)}/assignment"
        answer: Json | None = self._request("GET", path)
        return answer

    def report(self, gateway: str, reports: list[Report]) -> Json:
        """Deliver a gateway's reports: `{"accepted": [ids], "duplicates": [ids]}`."""
        answer: Json = {"accepted": [], "duplicates": []}
        for start in range(0, len(reports), REPORTS_PER_REQUEST):
            body = {"reports": reports[start : start + REPORTS_PER_REQUEST]}
            part = self._object("POST", f"/gateways/{_part(gateway)}/reports", body)
            answer["accepted"] += part["accepted"]
            answer["duplicates"] += part["duplicates"]
        return answer

    # -- tokens ---------------------------------------------------------------------------------

    def tokens(self, *, gateway: str | None = None) -> list[Json]:
        """All tokens, or those of one gateway, without their secrets."""
        return self._objects("/tokens", "tokens", gateway=gateway)

    def add_token(self, name: str, *, role: str, gateway: str | None = None, expires_at: str | None = None) -> Json:
        """Make a token: its record with `"token"`, which is never shown again."""
        body = {"name": name, "role": role, "gateway": gateway, "expires_at": expires_at}
        return self._object("POST", "/tokens", body)

    def revoke_token(self, number: int) -> Json:
        """Revoke a token, at once and for good."""
        return self._object("POST", "/tokens/revoke", {"id": number})

    # -- updates --------------------------------------------------------------------------------

    def updates(self) -> list[Json]:
        """All registered updates."""
        return self._objects("/updates", "updates")

    def update(self, version: str) -> Json:
        """One update."""
        return self._object("GET", f"/updates/{_part(version)}")

    def register_update(self, update: Json) -> Json:
        """Register a published update as STAGED; the same one again is no error."""
        return self._object("POST", "/updates", update)

    def withdraw_update(self, version: str) -> Json:
        """Take an update out of use: no rollout may start with it."""
        return self._object("POST", f"/updates/{_part(version)}/withdraw")

    # -- rollouts -------------------------------------------------------------------------------

    def rollouts(self, *, state: str | None = None) -> list[Json]:
        """Rollouts: all, or those in one state."""
        return self._objects("/rollouts", "rollouts", state=state)

    def rollout(self, rollout: int) -> Json:
        """One rollout with its gateways."""
        return self._object("GET", f"/rollouts/{rollout}")

    def plan_rollout(self, request: Json) -> Json:
        """The plan that `create_rollout` would make of the same request; nothing is recorded."""
        return self._object("POST", "/rollouts/plan", request)

    def create_rollout(self, request: Json) -> Json:
        """Record a PENDING rollout: version, gateways, serial, stagger_minutes, max_failures."""
        return self._object("POST", "/rollouts", request)

    def start_rollout(self, rollout: int) -> Json:
        """Start or resume a rollout: PENDING or PAUSED to RUNNING."""
        return self._object("POST", f"/rollouts/{rollout}/start")

    def pause_rollout(self, rollout: int, reason: str) -> Json:
        """Pause a rollout: RUNNING to PAUSED; `--resume` goes on from there."""
        return self._object("POST", f"/rollouts/{rollout}/pause", {"reason": reason})

    def abort_rollout(self, rollout: int, reason: str) -> Json:
        """End a rollout for good."""
        return self._object("POST", f"/rollouts/{rollout}/abort", {"reason": reason})

    def finish_rollout(self, rollout: int) -> Json:
        """Finish a rollout: RUNNING to COMPLETED, once every gateway is in a final state."""
        return self._object("POST", f"/rollouts/{rollout}/finish")

    def start_batch(self, rollout: int, batch: int) -> Json:
        """Assign a batch's gateways and wake those that pull: `{"assigned": [{"id", "delivery"}]}`."""
        return self._object("POST", f"/rollouts/{rollout}/batches/{batch}/start")

    def sweep(self, rollout: int) -> Json:
        """Move deferred gateways to a new last batch: `{"batch": n, "gateways": [...]}`."""
        return self._object("POST", f"/rollouts/{rollout}/sweep")

    def defer_gateway(self, rollout: int, gateway: str, reason: str) -> Json:
        """Record that the controller could not reach a gateway."""
        body = {"state": GatewayResult.DEFERRED, "reason": reason}
        return self._object("POST", f"/rollouts/{rollout}/gateways/{_part(gateway)}", body)

    def gate(self, rollout: int, batch: int) -> Json:
        """The gate's verdict after a batch: `{"verdict": "WAIT|GO|STOP", "reason", ...}`."""
        return self._object("GET", f"/rollouts/{rollout}/gate", batch=batch)

    # -- requests -------------------------------------------------------------------------------

    def _object(self, method: str, path: str, body: Json | None = None, **query: Any) -> Json:
        answer = self._request(method, path, body, **query)
        if not isinstance(answer, dict):
            raise self._nonsense(path)
        return answer

    def _objects(self, path: str, name: str, **query: Any) -> list[Json]:
        found = self._object("GET", path, **query).get(name)
        if not isinstance(found, list):
            raise self._nonsense(path)
        return found

    def _request(self, method: str, path: str, body: Json | None = None, **query: Any) -> Any:
        wanted = {key: value for key, value in query.items() if value is not None}
        try:
            answer = self._session.request(
                method, f"{self.url}{API}{path}", json=body, params=wanted, timeout=TIMEOUT_SECONDS
            )
        except requests.RequestException as error:
            raise ControlPlaneError(
                f"the control plane at {self.url} cannot be reached: {reason(error)}",
                hint="is `ota_manager.py serve` running there, and is control_plane.url right?",
            ) from None
        if not answer.ok:
            self._refuse(answer)
        try:
            return printable_data(answer.json()) if answer.content else None
        except (ValueError, RecursionError):
            raise self._nonsense(path) from None

    def _nonsense(self, path: str) -> ControlPlaneError:
        return ControlPlaneError(
            f"{self.url} answered {path} with something that is not a control plane's answer",
            hint="check control_plane.url, and that the control plane has the version of this program",
        )

    def _refuse(self, answer: requests.Response) -> NoReturn:
        error = _error_body(answer)
        message = error.get("message") or f"the control plane at {self.url} answered {answer.status_code}"
        hint = error.get("hint", "")
        if answer.status_code in (401, 403):
            raise ControlPlaneError(
                f"the control plane at {self.url} refused the token: {message}",
                hint=hint or "check the token in control_plane.token_file: it may be revoked or of another role",
            )
        raise ERRORS_BY_STATUS.get(answer.status_code, ControlPlaneError)(message, hint=hint)


class _Bearer(requests.auth.AuthBase):
    """The token as a header, set as `auth` because requests lets a .netrc replace a plain header."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _part(text: str) -> str:
    return quote(text, safe="")


def _error_body(answer: requests.Response) -> dict[str, str]:
    try:
        error = answer.json()["error"]
        return {key: printable(str(error.get(key) or ""), lines=True) for key in ("message", "hint")}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
