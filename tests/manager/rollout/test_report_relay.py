"""The report relay: it delivers a gateway's reports, and reports a failure that the gateway could not."""

from __future__ import annotations

from typing import Any

import pytest

from ota_py.manager.rollout.report_relay import relay

FAILED = {"failed": True, "msg": "the service is unhealthy", "code": "rolled_back"}


class Recorder:
    """A control plane that accepts all reports, and records them."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []

    def report(self, _gateway: str, reports: list[dict[str, Any]]) -> dict[str, list[str]]:
        self.reports += reports
        return {"accepted": [report["id"] for report in reports], "duplicates": []}


def relayed(outbox: list[dict[str, Any]], result: dict[str, Any]) -> list[dict[str, Any]]:
    control_plane = Recorder()

    def ask(arguments: list[str]) -> dict[str, Any]:
        return {"reports": outbox if arguments == ["outbox"] else []}

    relay(control_plane, "boston_001", ask, rollout=7, version="1.2.0", result=result)  # type: ignore[arg-type]
    return control_plane.reports


def test_a_gateway_without_a_transaction_is_spoken_for():
    (report,) = relayed([], {**FAILED, "code": "no_engine"})
    assert (report["state"], report["reason"]) == ("FAILED", "the service is unhealthy")
    assert report["details"]["error"] == {"code": "no_engine", "source": "controller"}


def test_a_transaction_whose_end_the_agent_delivered_already_is_not_spoken_for():
    assert relayed([], {**FAILED, "transaction": "b5d4"}) == []


@pytest.mark.parametrize("result", [FAILED, {"changed": True}])
def test_what_the_gateway_says_is_carried_as_it_is(result: dict[str, Any]):
    own = {"id": "1", "rollout": 7, "state": "ROLLED_BACK", "kind": "transition"}
    assert relayed([own], result) == [own]
