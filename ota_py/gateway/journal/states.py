"""States of a transaction in one table: guard, recovery and diagram are derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ota_py.contract.transactions import State
from ota_py.errors import ConflictError


class Limit(StrEnum):
    """Time limits of the gateway, one of which holds while a transaction is on its way out of a state."""

    FETCH = "fetch"
    """From the start to the first touch of a service: `fetch_minutes`."""
    TRANSACTION = "transaction"
    """From the first touch to the commit: the manifest's timeout, capped by `timeout_minutes`."""
    ROLLBACK = "rollback"
    """The rollback: `timeout_minutes` again."""
    NONE = "none"


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        effect: what holds once the state is reached, for people.
        successors: the states that may follow; the first is the next step of an update.
        touched: whether services may have been touched in this state.
        limit: the time limit that holds until the next state.
    """

    effect: str
    successors: tuple[State, ...]
    touched: bool
    limit: Limit


_S = State
TABLE: dict[State, Rule] = {
    _S.RECEIVED: Rule("the signed manifest is stored", (_S.VERIFIED, _S.FAILED), touched=False, limit=Limit.FETCH),
    _S.VERIFIED: Rule(
        "every file is fetched, checked, rendered and accepted by Compose; there is space",
        # ROLLING_BACK: an operator's rollback, whose "update" is a backup that was just verified.
        (_S.BACKED_UP, _S.ROLLING_BACK, _S.FAILED),
        touched=False,
        limit=Limit.FETCH,
    ),
    _S.BACKED_UP: Rule(
        "files, image ids and databases are saved and hashed",
        (_S.PULLED, _S.FAILED),
        touched=False,
        limit=Limit.FETCH,
    ),
    _S.PULLED: Rule(
        "the new images are here; the backup is fresh and its hashes hold",
        # ROLLING_BACK: the first touch was intended, and it is unknown how far it came.
        (_S.STOPPED, _S.ROLLING_BACK, _S.FAILED),
        touched=False,
        limit=Limit.FETCH,
    ),
    _S.STOPPED: Rule(
        "writers of volumes that are databases stopped and the volumes are saved; services that the "
        "update removes are gone",
        (_S.APPLIED, _S.ROLLING_BACK),
        touched=True,
        limit=Limit.TRANSACTION,
    ),
    _S.APPLIED: Rule(
        "the Compose file and the configuration files are the new ones",
        (_S.STARTED, _S.ROLLING_BACK),
        touched=True,
        limit=Limit.TRANSACTION,
    ),
    _S.STARTED: Rule(
        "each changed service was replaced in one step of Compose",
        (_S.HEALTHY, _S.ROLLING_BACK),
        touched=True,
        limit=Limit.TRANSACTION,
    ),
    _S.HEALTHY: Rule("the health gate passed", (_S.COMMITTED, _S.ROLLING_BACK), touched=True, limit=Limit.TRANSACTION),
    _S.COMMITTED: Rule("the gateway is entirely new", (), touched=True, limit=Limit.NONE),
    _S.ROLLING_BACK: Rule(
        "the old version is being restored", (_S.ROLLED_BACK, _S.BROKEN), touched=True, limit=Limit.ROLLBACK
    ),
    _S.ROLLED_BACK: Rule("the gateway is entirely old and healthy", (), touched=True, limit=Limit.NONE),
    _S.FAILED: Rule("nothing was touched, the old version runs on", (), touched=False, limit=Limit.NONE),
    _S.BROKEN: Rule("the rollback failed too; a person is needed", (), touched=True, limit=Limit.NONE),
}

# The steps of an update, in order.
STEPS: tuple[State, ...] = (
    _S.VERIFIED,
    _S.BACKED_UP,
    _S.PULLED,
    _S.STOPPED,
    _S.APPLIED,
    _S.STARTED,
    _S.HEALTHY,
    _S.COMMITTED,
)


def is_terminal(state: State) -> bool:
    """Whether nothing follows `state`."""
    return not TABLE[state].successors


def check(current: State, following: State) -> None:
    """Guard a transition from one state to another.

    Raises:
        ConflictError: `following` may not follow `current`.
    """
    allowed = TABLE[current].successors
    if following not in allowed:
        raise ConflictError(
            f"a transaction in state {current} cannot become {following}, "
            f"expected {' or '.join(allowed) or 'nothing: it has ended'}"
        )


def touched(state: State, intent: State | None) -> bool:
    """Whether services may have been touched, by the steps that are done or by the one under way."""
    return TABLE[state].touched or (intent is not None and TABLE[intent].touched)


def mermaid() -> str:
    """The table as a Mermaid state diagram, for docs/reference/states.md."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.RECEIVED}"]
    for state, rule in TABLE.items():
        lines += [f"    {state} --> {following}" for following in rule.successors]
        if not rule.successors:
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines) + "\n"
