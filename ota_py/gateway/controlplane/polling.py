"""Polling of the control plane: jitter, back-off, hints, and the pause that the control plane requests."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from ota_py.errors import OtaError
from ota_py.gateway.controlplane.api import Api, Assignment, retry_after
from ota_py.gateway.system.backoff import Backoff, jittered

LIMIT_SECONDS = 900.0
GAP_SECONDS = 1.0  # however many hints come
# A hint reaches a whole batch at once: its polls are spread over this share of the poll interval.
HINT_SPREAD = 1 / 30

log = logging.getLogger("ota.agent")


class Polling:
    """Polls one control plane for the assignment.

    Args:
        seconds: from one poll to the next, give or take a fifth.
        clock: monotonic seconds.

    Attributes:
        is_back: whether the last poll was answered and the one before was not.
    """

    def __init__(self, api: Api, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._seconds = seconds
        self._clock = clock
        self._backoff = Backoff(seconds, LIMIT_SECONDS)
        self._failed = False
        self._last = -GAP_SECONDS
        self._next = 0.0
        self.is_back = False

    def seconds_left(self) -> float:
        """Seconds until the next poll."""
        return max(0.0, self._next - self._clock())

    def due(self) -> bool:
        """Whether a poll is due: also at once when the token that was refused has been replaced."""
        return self._clock() >= self._next or self._api.has_new_token()

    def hinted(self) -> None:
        """Bring the next poll forward, because a hint came."""
        soon = self._clock() + random.random() * HINT_SPREAD * self._seconds
        self._next = max(min(self._next, soon), self._last + GAP_SECONDS)

    def poll(self) -> Assignment | None:
        """Poll once: the assignment now, or None.

        Raises:
            OtaError: the poll failed; the next one waits longer.
        """
        self._last = self._clock()
        try:
            assigned = self._api.assignment()
        except OtaError as error:
            delay = self._backoff.failed(retry_after(error))
            self._failed, self._next = True, self._clock() + delay
            log.warning("poll failed retry_in=%.0fs reason=%s hint=%s", delay, error.message, error.hint)
            raise
        self.is_back, self._failed = self._failed, False
        self._backoff.succeeded()
        self._next = self._clock() + jittered(self._seconds)
        return assigned
