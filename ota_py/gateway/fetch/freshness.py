"""The freshness problem of this gateway: the repository's metadata expired, went back, or is gone.

Recorded in the journal, so that `status` and the status report show it; what runs is kept.
"""

from __future__ import annotations

from ota_py.gateway.journal import facts
from ota_py.gateway.journal.journal import Journal

_PROBLEM = "freshness_problem"
_CHECKED_AT = "freshness_looked_at"


def problem(journal: Journal) -> str:
    """Why new updates are refused, in words; empty when they are not."""
    return facts.read(journal, _PROBLEM)


def record_problem(journal: Journal, message: str) -> None:
    """Record why new updates are refused; empty: they are not."""
    if message != problem(journal):
        facts.record(journal, _PROBLEM, message, name="freshness")


def checked_at(journal: Journal) -> float:
    """When the agent last checked the repository, in seconds since the epoch; 0.0 for never."""
    return float(facts.read(journal, _CHECKED_AT) or 0.0)


def record_check(journal: Journal, at: float) -> None:
    """Record that the agent checks the repository at `at` seconds since the epoch."""
    facts.record(journal, _CHECKED_AT, str(at), name="freshness")
