"""Whether this gateway is kept from updates: the repository's metadata expired, went back, or is gone.

Kept in the journal, so that `status` and the report to the control plane tell it, too; what runs is kept.
"""

from __future__ import annotations

from ota_py.gateway.journal import facts
from ota_py.gateway.journal.journal import Journal

_PROBLEM = "freshness_problem"
_LOOKED_AT = "freshness_looked_at"


def problem(journal: Journal) -> str:
    """Why new updates are refused, in words; empty when they are not."""
    return facts.read(journal, _PROBLEM)


def note(journal: Journal, message: str) -> None:
    """Remember why new updates are refused; empty: they are not."""
    if message != problem(journal):
        facts.record(journal, _PROBLEM, message, name="freshness")


def looked_at(journal: Journal) -> float:
    """When the agent last looked at the repository, in seconds since the epoch; 0.0 for never."""
    return float(facts.read(journal, _LOOKED_AT) or 0.0)


def note_look(journal: Journal, at: float) -> None:
    """Remember that the agent looks at the repository now, at `at` seconds since the epoch."""
    facts.record(journal, _LOOKED_AT, str(at), name="freshness")
