"""Applying a report to the gateway's record and to its row in a rollout. No database access."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ota_py import names
from ota_py.contract.fleet import GatewayResult, GatewayState
from ota_py.contract.reports import ReportKind
from ota_py.contract.transactions import SUPERSEDED, State
from ota_py.errors import IncompatibleError, KnownBadError, NoSpaceError, PolicyError
from ota_py.server.events.order import ReportOrder, is_newer
from ota_py.server.events.report import IncomingReport
from ota_py.server.fleet.models import FILES_PROBLEM_MAX_CHARS, FRESHNESS_MAX_CHARS, Gateway
from ota_py.server.rollouts.models import RolloutGateway
from ota_py.server.rollouts.states import HELD, REPORTED, SETTLED

# A refusal to even begin. `skipped` without one of these means that the gateway is on the version already.
REFUSALS = frozenset({KnownBadError.code, IncompatibleError.code, PolicyError.code, NoSpaceError.code})


def apply_to_gateway(gateway: Gateway, report: IncomingReport) -> None:
    """Take version, digests and state from the report if it is the newest one about them."""
    known = ReportOrder(gateway.report_transaction, gateway.report_seq, gateway.report_at)
    place = _place(report)
    if not (_is_transition(report) or report.kind == ReportKind.STATUS) or not is_newer(place, known):
        return
    gateway.report_transaction, gateway.report_seq, gateway.report_at = place
    if report.kind == ReportKind.STATUS:
        _apply_status(gateway, report)
    elif report.state in REPORTED:
        _apply_transition(gateway, report)


def apply_to_result(row: RolloutGateway, report: IncomingReport) -> None:
    """Take the rollout's result from the report if it is the newest one about it."""
    state = _result(report)
    if state is None or report.version != row.rollout.update_record_id:
        return
    if report.kind == ReportKind.TRANSITION and row.transaction and not report.transaction:
        return  # the controller's report on a silent gateway never replaces what the gateway reported
    place = _place(report)
    known = ReportOrder(row.transaction, row.report_seq, row.report_at)
    same_transaction = place.transaction == row.transaction
    if not is_newer(place, known):
        if same_transaction and row.started_at:
            row.started_at = min(row.started_at, report.at)
        return
    row.transaction, row.report_seq, row.report_at = place
    row.state, row.reason, row.step = state, report.reason, report.state[:16]
    if report.kind == ReportKind.HELD:
        row.reason, row.step = f"held: {report.reason}", HELD
    row.from_version = report.from_version or row.from_version
    row.started_at = row.started_at if same_transaction and row.started_at else report.at
    row.finished_at = report.at if state in SETTLED else None


def _result(report: IncomingReport) -> GatewayResult | None:
    if report.kind == ReportKind.SKIPPED:
        return GatewayResult.FAILED if _error_code(report) in REFUSALS else GatewayResult.SKIPPED
    if report.kind == ReportKind.HELD:
        return GatewayResult.UPDATING
    if report.state == State.FAILED and _error_code(report) == SUPERSEDED:  # no failure: it is swept up at the end
        return GatewayResult.DEFERRED
    return REPORTED.get(report.state) if _is_transition(report) else None


def _is_transition(report: IncomingReport) -> bool:
    """Whether a report is of a transaction's step: a gateway raises the last one, BROKEN, as an alarm."""
    return report.kind == ReportKind.TRANSITION or (report.kind == ReportKind.ALARM and report.state == State.BROKEN)


def _error_code(report: IncomingReport) -> str:
    error = report.details.get("error")
    code = error.get("code") if isinstance(error, dict) else report.details.get("code")
    return str(code)


def _apply_transition(gateway: Gateway, report: IncomingReport) -> None:
    result = REPORTED[report.state]
    if report.state == State.BROKEN:
        gateway.state = GatewayState.BROKEN
    else:
        gateway.state = GatewayState.IDLE if result in SETTLED else GatewayState.UPDATING
    if report.state == State.COMMITTED:
        gateway.version = report.version
    elif report.state != State.BROKEN and report.from_version:
        gateway.version = report.from_version
    _take_digests(gateway, report.details.get("digests"))


def _apply_status(gateway: Gateway, report: IncomingReport) -> None:
    status = report.details
    _take(gateway, "version", status.get("version"), _version)
    _take_digests(gateway, status.get("digests"))
    stale = status.get("freshness_problem")
    if isinstance(stale, str):
        gateway.freshness_problem = stale[:FRESHNESS_MAX_CHARS]
    altered = status.get("files_problem")
    if isinstance(altered, str):
        gateway.files_problem = altered[:FILES_PROBLEM_MAX_CHARS]
    _take(gateway, "agent_version", status.get("agent_version"), _version)
    _take(gateway, "architecture", status.get("architecture"), _word)
    _take(gateway, "disk_free_bytes", status.get("disk_free_bytes"), _size)
    # Groups and hardware decide what a gateway is sent, so the operator's record of them stands.
    if not gateway.hardware:
        _take(gateway, "hardware", status.get("hardware"), _word)
    transaction_state = status.get("transaction_state")
    if transaction_state == State.BROKEN:
        gateway.state = GatewayState.BROKEN
    elif REPORTED.get(str(transaction_state)) == GatewayResult.UPDATING:
        gateway.state = GatewayState.UPDATING
    else:
        gateway.state = GatewayState.IDLE


def _take(gateway: Gateway, name: str, value: Any, check: Callable[[Any], bool]) -> None:
    """Set the field if the value is usable: one odd value must not keep the rest of a report out."""
    if check(value):
        setattr(gateway, name, value)


def _take_digests(gateway: Gateway, value: Any) -> None:
    """Set the digests; an image that came from no registry has none, which is recorded as well."""
    if isinstance(value, dict):
        value = {service: "" if digest is None else digest for service, digest in value.items()}
    _take(gateway, "digests", value, _digests)


def _place(report: IncomingReport) -> ReportOrder:
    return ReportOrder(report.transaction, report.seq, report.at)


def _version(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= names.VERSION_MAX_CHARS


def _word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 32 and bool(re.fullmatch(names.GROUP, value))


def _size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _digests(value: Any) -> bool:
    return isinstance(value, dict) and all(
        re.fullmatch(names.SERVICE, service) and isinstance(digest, str) and len(digest) <= 300
        for service, digest in value.items()
    )
