"""The report relay: brings a gateway's reports to the control plane where only the controller can reach it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ota_py.contract.reports import EndDetails, Report, ReportKind
from ota_py.contract.transactions import OUTCOMES, State
from ota_py.errors import OtaError
from ota_py.manager.controlplane.client import ControlPlane
from ota_py.manager.rollout.gate import call_with_retries

Json = dict[str, Any]

# How many ids one command line may carry; a gateway's outbox gives at most 1,000 reports at a time.
ACKNOWLEDGE_AT_ONCE = 500


def relay(
    control_plane: ControlPlane,
    gateway: str,
    run_engine: Callable[[list[str]], Json],
    *,
    rollout: int,
    version: str,
    result: Json,
) -> Json:
    """Deliver the reports in a gateway's outbox, then let the gateway remove them.

    Args:
        control_plane: as an operator.
        gateway: its id.
        run_engine: runs the gateway's engine with arguments, and returns its answer as a module result.
        rollout: the rollout that is under way, and `version` what it brings.
        result: what a module answered on this gateway; a failure that the gateway itself could not
            report is reported in its place, so that the rollout does not wait for it.

    Returns:
        `{"changed", "accepted"}`: whether any report was new, and how many.
    """
    answer = run_engine(["outbox"])
    reports: list[Report] = list(answer.get("reports") or [])
    if _unreported(result) and not _has_final_report(reports, rollout):
        reports.append(failure_report(gateway, rollout, version, result))
    delivered = call_with_retries(lambda: control_plane.report(gateway, reports))
    _acknowledge(run_engine, [*delivered["accepted"], *delivered["duplicates"]])
    return {"changed": bool(delivered["accepted"]), "accepted": len(delivered["accepted"])}


def failure_report(gateway: str, rollout: int, version: str, result: Json) -> Report:
    """The report of a gateway that failed before its engine could write one."""
    details: EndDetails = {"error": {"code": str(result.get("code", OtaError.code)), "source": "controller"}}
    return {
        "id": str(uuid.uuid4()),
        "seq": 0,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "kind": ReportKind.TRANSITION,
        "gateway": gateway,
        "transaction": None,
        "rollout": rollout,
        "version": version,
        "from_version": "",
        "state": State.FAILED,
        "reason": str(result.get("msg", ""))[:1000],
        "details": details,
    }


def _unreported(result: Json) -> bool:
    """Whether the gateway failed without a transaction; the end of one is in its outbox, or was delivered."""
    return bool(result.get("failed")) and not result.get("transaction")


def _has_final_report(reports: list[Report], rollout: int) -> bool:
    return any(
        report.get("rollout") == rollout
        and (report.get("state") in OUTCOMES or report.get("kind") == ReportKind.SKIPPED)
        for report in reports
    )


def _acknowledge(run_engine: Callable[[list[str]], Json], ids: list[str]) -> None:
    for start in range(0, len(ids), ACKNOWLEDGE_AT_ONCE):
        options = [word for one in ids[start : start + ACKNOWLEDGE_AT_ONCE] for word in ("--ack", one)]
        run_engine(["outbox", *options])
