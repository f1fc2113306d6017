"""The gate between two batches: wait, go on, or stop. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ota_py.contract.fleet import GatewayResult, Verdict
from ota_py.server.rollouts.states import AWAITED, FAILURES, HELD


class Row(NamedTuple):
    """One gateway of the rollout, as the gate sees it."""

    gateway: str
    batch: int
    state: str
    step: str = ""


@dataclass(frozen=True)
class GateVerdict:
    """The gate's verdict on a batch.

    Attributes:
        failures: gateways of the whole rollout that failed or rolled back, without those that an
            operator accepted by resuming.
        allowed: how many there may be.
        pending: gateways of the batch that are still waited for.
        held: those of them that wait for a maintenance window, a veto or a hook.
        counts: gateways of the whole rollout by state, zeros included.
    """

    verdict: Verdict
    reason: str
    failures: int
    allowed: int
    pending: list[str]
    held: list[str]
    counts: dict[str, int]


def evaluate(rows: Iterable[Row], batch: int, allowed: int, accepted: int = 0, halted: str = "") -> GateVerdict:
    """Judge `batch` by what the gateways of the whole rollout reported.

    Args:
        rows: all gateways of the rollout.
        batch: number of the batch, from 0.
        allowed: how many gateways may fail.
        accepted: failures that an operator has seen and accepted by resuming the rollout.
        halted: why the rollout does not run, or an empty string.
    """
    rows = list(rows)
    counts = count(row.state for row in rows)
    failed = [row.gateway for row in rows if row.state in FAILURES]
    pending = [row.gateway for row in rows if row.batch == batch and row.state in AWAITED]
    held = [row.gateway for row in rows if row.gateway in set(pending) and row.step == HELD]
    failures = len(failed) - accepted
    if halted:
        verdict, reason = Verdict.STOP, halted
    elif failures > allowed:
        verdict, reason = Verdict.STOP, f"{failures} failed, {allowed} allowed: {_some(failed)}"
    elif pending:
        verdict, reason = Verdict.WAIT, f"waiting for {_some(pending)}" + (f"; {len(held)} held back" * bool(held))
    else:
        verdict, reason = Verdict.GO, f"batch {batch} is done"
    return GateVerdict(verdict, reason, failures, allowed, pending, held, counts)


def count(states: Iterable[str]) -> dict[str, int]:
    """The number of gateways in each state, zeros included."""
    counted = Counter(states)
    return {state: counted[state] for state in GatewayResult}


def _some(gateways: list[str], most: int = 5) -> str:
    more = f" and {len(gateways) - most} more" if len(gateways) > most else ""
    return ", ".join(gateways[:most]) + more
