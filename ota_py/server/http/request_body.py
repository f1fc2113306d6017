"""Request bodies as the event loop reads them: whole, and within limits of time, rate and memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

# What `serve` waits for a whole head, and for the next request of a kept-alive connection.
HEAD_SECONDS = 10.0
# The gateway's client gives up a request after as long.
BODY_SECONDS = 30.0
# On average, and from when on: a radio link may begin with a pause.
BODY_BYTES_PER_SECOND = 1024
BODY_GRACE_SECONDS = 5.0
# Of all bodies that are being read or wait for a thread.
BODIES_MAX_BYTES = 64 * 1024 * 1024


class TooSlowError(Exception):
    """The body did not come at the least rate, or not in time."""


class TooManyError(Exception):
    """All bodies together take more memory than they may."""


class Intake:
    """Reads the bodies of one process; of one event loop.

    Args:
        limit: bytes of one body; what is longer is given with one byte more than that.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    async def read(self, chunks: AsyncIterable[bytes]) -> bytes:
        """The whole body. Give it back with `release` when it was answered.

        Raises:
            TooSlowError, TooManyError: nothing of it is held any more.
        """
        body = bytearray()
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(_deadline(began, 0)) as timeout:
                async for chunk in chunks:
                    kept = chunk[: self._limit + 1 - len(body)]
                    body += kept
                    self._held += len(kept)
                    if self._held > BODIES_MAX_BYTES:
                        raise TooManyError
                    if len(body) > self._limit:
                        break
                    timeout.reschedule(_deadline(began, len(body)))
        except BaseException as error:
            self.release(body)
            if isinstance(error, TimeoutError):
                raise TooSlowError from None
            raise
        return bytes(body)

    def release(self, body: bytes | bytearray) -> None:
        """Its memory is free again."""
        self._held -= len(body)


def _deadline(began: float, received: int) -> float:
    """When so much is too little: a body that stalls is cut off there."""
    return began + min(BODY_SECONDS, BODY_GRACE_SECONDS + received / BODY_BYTES_PER_SECOND)
