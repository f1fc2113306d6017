"""The status report: what runs here, reported when the agent starts, after a transaction, and after changes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from ota_py.contract.reports import ReportKind, StatusDetails
from ota_py.errors import OtaError
from ota_py.gateway.journal.outbox import Outbox
from ota_py.gateway.system.backoff import jittered

CHECK_SECONDS = 900.0
FIELDS = tuple(StatusDetails.__annotations__)
# Changes all the time: a change of this field alone is not reported.
_RESTLESS = "disk_free_bytes"

log = logging.getLogger("ota.agent")


class StatusReporter:
    """Queues a status report when the status has changed.

    Args:
        read: gives what `ota_client.py status --json` prints.
        outbox: where the report is queued.
    """

    def __init__(
        self, read: Callable[[], dict[str, Any]], outbox: Outbox, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._outbox = outbox
        self._clock = clock
        self._reported = ""
        self._next = 0.0

    def check_soon(self) -> None:
        """Check the status at the next step, because it may have changed."""
        self._next = 0.0

    def step(self) -> None:
        """Check the status if that is due, and queue a report if it has changed."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + jittered(CHECK_SECONDS)
        try:
            seen = self._read()
        except OtaError as error:
            log.warning("status unknown reason=%s", error.message)
            return
        details = {key: seen[key] for key in FIELDS if key in seen}
        if seen.get("engine_error"):  # Docker does not answer: what runs is unknown, not nothing
            del details["digests"]
        news = json.dumps({**details, _RESTLESS: None}, sort_keys=True)
        if news != self._reported:
            self._outbox.add(ReportKind.STATUS, version=details.get("version"), details=details)
            self._reported = news
