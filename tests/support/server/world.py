"""A fleet at the control plane, for tests: gateways, rollouts, calls and reports in one line each."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client

from ota_py.server.tokens.services import create_token
from tests.support.states import STEPS

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


class Api:
    """The API as the owner of a token sees it; answers are Django's test responses."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        # The admin's CSRF checks on, exceptions as a real server shows them.
        self._client = Client(raise_request_exception=False, enforce_csrf_checks=True)

    def call(self, method: str, path: str, body: Any = None, raw: bytes | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
        return self._client.generic(method, f"/api/v1{path}", data, content_type="application/json", headers=headers)

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body)

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's data; anything but success fails the test."""
        answer = self.call(method, path, body)
        assert answer.status_code in (200, 201), f"{path}: {answer.status_code} {answer.content!r}"
        return answer.json()

    def refused(self, status: int, method: str, path: str, body: Any = None) -> str:
        """The error's message; any other status fails the test."""
        answer = self.call(method, path, body)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.content!r}"
        error = answer.json()["error"]
        assert set(error) == {"code", "message", "hint"}
        return error["message"]


class World:
    """One fleet."""

    def __init__(self) -> None:
        self.operator = Api(create_token("olga", "operator"))
        self.reader = Api(create_token("rita", "reader"))
        self.nobody = Api(None)
        self.gateways: dict[str, Api] = {}

    def gateway(self, gateway_id: str, **fields: Any) -> Api:
        """Register a gateway and return its side of the API."""
        body = {"id": gateway_id, "delivery": "pull", **fields}
        self.gateways[gateway_id] = Api(self.operator.ok("POST", "/gateways", body)["token"])
        return self.gateways[gateway_id]

    def fleet(self, number: int, **fields: Any) -> list[str]:
        """Register gateways `gw_000`, `gw_001`, ..."""
        ids = [f"gw_{index:03d}" for index in range(number)]
        for gateway_id in ids:
            self.gateway(gateway_id, **fields)
        return ids

    def update(self, version: str = "1.1.0", **fields: Any) -> dict[str, Any]:
        return self.operator.ok("POST", "/updates", update_body(version, **fields))

    def rollout(self, gateways: list[str], version: str = "1.1.0", **fields: Any) -> int:
        """Create a PENDING rollout; the update is registered if need be."""
        self.update(version)
        return self.operator.ok("POST", "/rollouts", rollout_body(gateways, version, **fields))["id"]

    def running(self, gateways: list[str], version: str = "1.1.0", **fields: Any) -> int:
        """A RUNNING rollout whose first batch is assigned."""
        rollout = self.rollout(gateways, version, **fields)
        self.operator.ok("POST", f"/rollouts/{rollout}/start")
        self.operator.ok("POST", f"/rollouts/{rollout}/batches/0/start")
        return rollout

    def result(self, rollout: int, gateway: str) -> dict[str, Any]:
        rows = self.operator.ok("GET", f"/rollouts/{rollout}")["gateways"]
        return next(row for row in rows if row["id"] == gateway)

    def record(self, gateway: str) -> dict[str, Any]:
        return self.operator.ok("GET", f"/gateways/{gateway}")

    def report(self, gateway: str, reports: list[dict[str, Any]]) -> dict[str, Any]:
        return self.gateways[gateway].ok("POST", f"/gateways/{gateway}/reports", {"reports": reports})

    def ends(self, rollout: int, gateway: str, state: str, **fields: Any) -> None:
        """The gateway goes through a whole transaction that ends in `state`."""
        steps = [*STEPS[:-1], *(["ROLLING_BACK"] if state in ("ROLLED_BACK", "BROKEN") else []), state]
        self.report(gateway, transaction(gateway, steps, rollout, **fields))

    def gate(self, rollout: int, batch: int = 0) -> dict[str, Any]:
        return self.operator.ok("GET", f"/rollouts/{rollout}/gate?batch={batch}")


def update_body(version: str, **fields: Any) -> dict[str, Any]:
    images = {"mqtt-bridge": {"reference": f"r:5000/bridge:{version}", "digest": DIGEST, "size": 5}}
    return {
        "version": version,
        "description": "Add humidity sensor support",
        "critical": False,
        "manifest_sha256": "b" * 64,
        "key_ids": ["c" * 64],
        "images": images,
        "created": "2026-03-01T12:00:00Z",
        **fields,
    }


def rollout_body(gateways: list[str], version: str = "1.1.0", **fields: Any) -> dict[str, Any]:
    members = [{"id": gateway_id} for gateway_id in gateways]
    return {"version": version, "gateways": members, "serial": ["100%"], "stagger_minutes": 0, **fields}


def report(gateway: str, **fields: Any) -> dict[str, Any]:
    """One report; the fields that matter are given."""
    return {
        "id": str(uuid.uuid4()),
        "seq": 1,
        "at": moment(fields.get("seq", 1)),
        "kind": "transition",
        "gateway": gateway,
        "transaction": None,
        "rollout": None,
        "version": "1.1.0",
        "from_version": "1.0.0",
        "state": "RECEIVED",
        "reason": "",
        "details": {},
        **fields,
    }


def transaction(
    gateway: str,
    states: list[str] | tuple[str, ...],
    rollout: int | None = None,
    first_seq: int = 1,
    **fields: Any,
) -> list[dict[str, Any]]:
    """The reports of one transaction, one for each state, in order; gateways raise BROKEN as an alarm."""
    own = {"transaction": str(uuid.uuid4()), "rollout": rollout, **fields}
    return [
        report(gateway, seq=seq, at=moment(seq), state=state, **{"kind": _kind(state), **own})
        for seq, state in enumerate(states, first_seq)
    ]


def _kind(state: str) -> str:
    return "alarm" if state == "BROKEN" else "transition"


def held(gateway: str, rollout: int, **fields: Any) -> dict[str, Any]:
    """The report of an update that waits for its maintenance window."""
    own = {
        "seq": 5,
        "kind": "held",
        "state": "PULLED",
        "reason": "outside the maintenance windows (mon 02:00-05:00)",
    }
    return report(gateway, transaction=str(uuid.uuid4()), rollout=rollout, **{**own, **fields})


def moment(second: int) -> str:
    """RFC 3339, so many seconds after a fixed start."""
    return (START + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")
