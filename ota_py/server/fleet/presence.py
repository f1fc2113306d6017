"""When a gateway was last seen: noted in memory by each poll, written to the database every few seconds.

Writing it in the poll itself would make the poll up to twice as slow. A killed process loses at most
`FLUSH_SECONDS` of it, and the next poll brings it back.
"""

from __future__ import annotations

import atexit
import logging
import threading
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q

FLUSH_SECONDS = 3.0
_UPDATE = "UPDATE fleet_gateway SET last_seen = %s WHERE id = %s AND (last_seen IS NULL OR last_seen < %s)"
logger = logging.getLogger(__name__)


class LastSeen:
    """Gateways seen since the last flush, in this process."""

    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._flusher: threading.Thread | None = None
        self._stop = threading.Event()

    def touch(self, gateway_id: str) -> None:
        """Note that the gateway was here now."""
        self._seen[gateway_id] = datetime.now(UTC)
        # Started by the first touch and not on import: the server's workers are forked after imports.
        if self._flusher is None or not self._flusher.is_alive():
            self._start()

    def flush(self) -> int:
        """Write what was noted, and return for how many gateways."""
        with self._lock:
            seen, self._seen = self._seen, {}
        if seen:
            with transaction.atomic(), connection.cursor() as cursor:
                rows = [(_param(at), gateway, _param(at)) for gateway, at in sorted(seen.items())]
                cursor.executemany(_UPDATE, rows)
        return len(seen)

    def stop(self) -> None:
        """Write what is left and end the thread; the next touch starts it again."""
        if self._flusher is not None:
            self._stop.set()
            self._flusher.join()
        self.flush()

    def _start(self) -> None:
        with self._lock:
            if self._flusher is None or not self._flusher.is_alive():
                self._stop.clear()
                self._flusher = threading.Thread(target=self._run, name="last-seen", daemon=True)
                self._flusher.start()

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            try:
                self.flush()
            except DatabaseError:
                logger.exception("last_seen was not written; the next polls bring it back")
                connection.close()
        connection.close()


def online(last_seen: datetime | None, now: datetime) -> bool:
    """Whether a gateway that was last seen then counts as online."""
    return last_seen is not None and now - last_seen < timedelta(seconds=settings.SERVER.online_seconds)


def online_filter(now: datetime) -> Q:
    """The same as a filter of gateways."""
    return Q(last_seen__gt=now - timedelta(seconds=settings.SERVER.online_seconds))


def _param(moment: datetime) -> str | datetime | None:
    return connection.ops.adapt_datetimefield_value(moment)


last_seen = LastSeen()


@atexit.register
def _flush_at_exit() -> None:
    try:
        last_seen.stop()
    except Exception:  # the process ends; what is lost comes back with the next polls
        logger.debug("last_seen was not written at exit", exc_info=True)
