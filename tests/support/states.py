"""States as they are on the wire: spelled out, so that a renamed one is seen."""

from __future__ import annotations

# The states of a transaction that goes well, in order.
STEPS = [
    "RECEIVED",
    "VERIFIED",
    "BACKED_UP",
    "PULLED",
    "STOPPED",
    "APPLIED",
    "STARTED",
    "HEALTHY",
    "COMMITTED",
]
