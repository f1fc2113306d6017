"""Which state of a rollout, and of a gateway in it, may follow which. Pure tables."""

from __future__ import annotations

from dataclasses import dataclass

from ota_py.contract.fleet import GatewayResult, RolloutState
from ota_py.contract.transactions import OUTCOMES, Outcome, State


@dataclass(frozen=True)
class Act:
    """A verb on a rollout: the states it is allowed in, and the state it leads to."""

    verb: str
    sources: frozenset[RolloutState]
    target: RolloutState


_R = RolloutState
START = Act("start", frozenset({_R.PENDING, _R.PAUSED}), _R.RUNNING)
PAUSE = Act("pause", frozenset({_R.RUNNING}), _R.PAUSED)
ABORT = Act("abort", frozenset({_R.PENDING, _R.RUNNING, _R.PAUSED}), _R.ABORTED)
FINISH = Act("finish", frozenset({_R.RUNNING}), _R.COMPLETED)

_G = GatewayResult
FAILURES = frozenset({_G.ROLLED_BACK, _G.FAILED})
SETTLED = FAILURES | {_G.SUCCEEDED, _G.SKIPPED}
# Dispatched, and nothing final heard yet.
UNDERWAY = frozenset({_G.ASSIGNED, _G.UPDATING})
# A gate waits for these; a DEFERRED gateway is not waited for, it is swept up at the end.
AWAITED = UNDERWAY | {_G.PENDING}

# The step of an UPDATING gateway that waits for its maintenance window, a veto or a hook. Its agent ends what
# was begun, so it hears of its assignment even where the controller pushes.
HELD = Outcome.HELD

# What the controller may do to a gateway of a rollout: verb -> the states it is allowed in.
ASSIGNABLE = frozenset({_G.PENDING, _G.DEFERRED})
DEFERRABLE = UNDERWAY
SWEEPABLE = frozenset({_G.DEFERRED})

# What a gateway's report of its engine's state means here. Reports are facts: they apply in every state,
# in the order in which the gateway wrote them.
REPORTED: dict[str, GatewayResult] = {
    **dict.fromkeys(set(State) - set(OUTCOMES), _G.UPDATING),
    State.COMMITTED: _G.SUCCEEDED,
    State.ROLLED_BACK: _G.ROLLED_BACK,
    State.FAILED: _G.FAILED,
    State.BROKEN: _G.FAILED,
}
