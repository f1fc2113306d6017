"""The uploader delivers the outbox to the control plane: every report arrives, and none blocks the queue.

A report stays in the outbox until the control plane confirmed that it has it (accepted or duplicate). A report
that is refused for its content would be refused for ever: it is found by bisection, moved to the
file of parked reports, and an alarm takes its place.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ota_py.contract.reports import Report, ReportKind
from ota_py.errors import OtaError, RejectedError
from ota_py.gateway.controlplane.api import Receipt, retry_after
from ota_py.gateway.system import files
from ota_py.gateway.system.backoff import Backoff

BATCH_REPORTS = 200
# The API takes 1 MiB; JSON around the reports and its own escapes need room.
BATCH_BYTES = 768 * 1024
RETRY_FIRST_SECONDS = 1.0
RETRY_LIMIT_SECONDS = 300.0
PARKED_FILE = "parked-reports.jsonl"
PARKED_MAX_BYTES = 4 * 1024 * 1024

log = logging.getLogger("ota.uploader")


class ReportQueue(Protocol):
    """The part of the durable outbox that the uploader needs."""

    def pending(self, limit: int) -> list[Report]:
        """The oldest undelivered reports, in the order in which they were written."""

    def acknowledge(self, ids: list[str]) -> Any:
        """Forget reports that the control plane has."""


class ReportSink(Protocol):
    """The part of the control plane's API that the uploader needs."""

    def post_reports(self, reports: list[Report]) -> Receipt:
        """Deliver reports, or raise ControlPlaneError, RejectedError for their content."""


class Uploader:
    """Delivers the reports of the outbox, with back-off while the control plane does not take them.

    Args:
        outbox: where reports wait.
        api: where reports go.
        alarm: writes an alarm report with this reason and these details into the outbox.
        state_dir: directory of the file of parked reports.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        outbox: ReportQueue,
        api: ReportSink,
        alarm: Callable[[str, dict[str, Any]], object],
        state_dir: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._api = api
        self._alarm = alarm
        self._parked = state_dir / PARKED_FILE
        self._clock = clock
        self._backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_LIMIT_SECONDS)
        self._not_before = 0.0
        self._asked_to_wait_until = 0.0

    def retry_now(self) -> None:
        """Deliver at the next step, without back-off: there is a sign that the control plane is back.

        A pause that the control plane asked for itself stays.
        """
        self._not_before = 0.0
        self._backoff.succeeded()

    def step(self) -> int:
        """Deliver one batch if one is due; returns how many reports left the outbox.

        A control plane that cannot be reached, or refuses, is logged and tried again: nothing is raised.
        """
        if self._clock() < max(self._not_before, self._asked_to_wait_until):
            return 0
        batch = _fitting(self._outbox.pending(BATCH_REPORTS))
        if not batch:
            return 0
        try:
            gone = self._deliver(batch)
        except OtaError as error:
            return self._wait(len(batch), error.message, retry_after(error))
        if not gone:
            return self._wait(len(batch), "the control plane took none of the reports")
        self._backoff.succeeded()
        log.info("uploaded reports=%d", gone)
        return gone

    def _wait(self, reports: int, reason: str, at_least: float = 0.0) -> int:
        delay = self._backoff.failed(at_least)
        self._not_before = self._clock() + delay
        self._asked_to_wait_until = self._clock() + at_least
        log.warning("upload failed reports=%d retry_in=%.0fs reason=%s", reports, delay, reason)
        return 0

    def _deliver(self, batch: list[Report]) -> int:
        try:
            delivery = self._api.post_reports(batch)
        except RejectedError as error:
            if len(batch) == 1:
                self._park(batch[0], error)
                return 1
            middle = len(batch) // 2
            return self._deliver(batch[:middle]) + self._deliver(batch[middle:])
        sent = {report["id"] for report in batch}
        known = [key for key in (*delivery.accepted, *delivery.duplicates) if key in sent]
        self._outbox.acknowledge(known)
        return len(known)

    def _park(self, report: Report, error: RejectedError) -> None:
        log.error("report parked id=%s kind=%s reason=%s", report["id"], report.get("kind"), error.message)
        self._keep(report, error)
        # An alarm about a refused alarm would be refused too, and so on.
        if report.get("kind") != ReportKind.ALARM:
            details = {
                "report": report["id"],
                "kind": report.get("kind"),
                "transaction": report.get("transaction"),
            }
            self._alarm(f"the control plane refused a report: {error.message}", details)
        self._outbox.acknowledge([report["id"]])

    def _keep(self, report: Report, error: RejectedError) -> None:
        line = json.dumps({"report": report, "refused": error.message}, sort_keys=True) + "\n"
        if self._parked.exists() and self._parked.stat().st_size + len(line) > PARKED_MAX_BYTES:
            files.rename(self._parked, self._parked.with_suffix(".old.jsonl"))
        files.append(self._parked, line.encode())


def _fitting(reports: list[Report]) -> list[Report]:
    """The first reports, as many as one request may carry, but at least one."""
    total = 0
    for index, report in enumerate(reports):
        total += len(json.dumps(report))
        if total > BATCH_BYTES and index:
            return reports[:index]
    return reports
