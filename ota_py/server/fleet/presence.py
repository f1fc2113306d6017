"""Presence of gateways and use of tokens: when each was last seen; noted at once, written every few seconds.

Writing it in the poll itself would make the poll up to twice as slow. A killed process loses at most
`FLUSH_SECONDS` of it, and the next poll brings it back.
"""

from __future__ import annotations

import atexit
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q

from ota_py.errors import ConfigError
from ota_py.server.fleet.listener import Listener
from ota_py.server.fleet.models import Gateway

FLUSH_SECONDS = 3.0
Key = TypeVar("Key", str, int)
_SEEN = "UPDATE fleet_gateway SET last_seen = %s WHERE id = %s AND (last_seen IS NULL OR last_seen < %s)"
_USED = "UPDATE tokens_apitoken SET last_used_at = %s WHERE id = %s AND (last_used_at IS NULL OR last_used_at < %s)"
_GONE = "UPDATE fleet_gateway SET offline_at = %s WHERE id = %s AND (offline_at IS NULL OR offline_at < %s)"
logger = logging.getLogger(__name__)


class LastSeen:
    """Gateways that this process saw come or go, and tokens that were used, since the last flush."""

    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}
        self._gone: dict[str, datetime] = {}
        self._used: dict[int, datetime] = {}
        self._lock = threading.Lock()
        self._flusher: threading.Thread | None = None
        self._stop = threading.Event()

    def touch(self, gateway_id: str) -> None:
        """Note that the gateway was here now."""
        self._seen[gateway_id] = datetime.now(UTC)
        self._ensure_flusher()

    def used(self, token: int) -> None:
        """Note that the token of this number was used now."""
        self._used[token] = datetime.now(UTC)
        self._ensure_flusher()

    def gone(self, gateway_id: str) -> None:
        """Note that the broker lost the gateway's agent now."""
        self._gone[gateway_id] = datetime.now(UTC)

    def flush(self) -> int:
        """Write what was noted since the last flush, and return for how many gateways."""
        with self._lock:
            seen, self._seen = self._seen, {}
            gone, self._gone = self._gone, {}
            used, self._used = self._used, {}
        if seen or gone or used:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.executemany(_SEEN, _rows(seen))
                cursor.executemany(_GONE, _rows(gone))
                cursor.executemany(_USED, _rows(used))
        return len({*seen, *gone})

    def stop(self) -> None:
        """Write what is left and end the thread; the next touch starts it again."""
        if self._flusher is not None:
            self._stop.set()
            self._flusher.join()
        self.flush()

    def _ensure_flusher(self) -> None:
        # Started by the first note and not on import: the server's workers are forked after imports.
        if self._flusher is None or not self._flusher.is_alive():
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._flusher is None or not self._flusher.is_alive():
                self._stop.clear()
                self._flusher = threading.Thread(target=self._run, name="last-seen", daemon=True)
                self._flusher.start()

    def _run(self) -> None:
        listener = self._listen()
        while not self._stop.wait(FLUSH_SECONDS):
            try:
                self.flush()
            except DatabaseError:
                logger.exception("last_seen was not written; the next polls bring it back")
                connection.close()
        if listener is not None:
            listener.close()
        connection.close()

    def _listen(self) -> Listener | None:
        """Listen to the agents' status at the broker; without it, a gateway is offline when it stops polling."""
        if settings.SERVER.mqtt is None:
            return None
        try:
            return Listener(settings.SERVER.mqtt, self)
        except ConfigError as error:
            logger.warning("nobody listens for who comes and goes: %s", error.message)
            return None


def online(gateway: Gateway, now: datetime) -> bool:
    """Whether a gateway was seen lately, and has not left the broker since."""
    seen, left = gateway.last_seen, gateway.offline_at
    if seen is None or now - seen >= timedelta(seconds=settings.SERVER.online_seconds):
        return False
    return left is None or left < seen


def online_filter(now: datetime) -> Q:
    """The filter of gateways that are online; see `online`."""
    lately = Q(last_seen__gt=now - timedelta(seconds=settings.SERVER.online_seconds))
    return lately & (Q(offline_at=None) | Q(offline_at__lt=F("last_seen")))


def _rows(noted: dict[Key, datetime]) -> list[tuple[str | datetime | None, Key, str | datetime | None]]:
    """Sorted, so that two processes lock rows in the same order."""
    return [(_param(at), key, _param(at)) for key, at in sorted(noted.items())]


def _param(moment: datetime) -> str | datetime | None:
    return connection.ops.adapt_datetimefield_value(moment)


last_seen = LastSeen()


@atexit.register
def _flush_at_exit() -> None:
    try:
        last_seen.stop()
    except Exception:  # the process ends; what is lost comes back with the next polls
        logger.debug("last_seen was not written at exit", exc_info=True)
