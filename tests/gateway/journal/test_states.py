"""The table of states, and what is derived from it."""

from __future__ import annotations

import pytest

from ota_py.contract.transactions import OUTCOMES, State
from ota_py.errors import ConflictError
from ota_py.gateway.journal import states
from ota_py.gateway.journal.states import STEPS, TABLE, Limit


def test_every_state_has_a_row_and_every_end_an_outcome() -> None:
    assert set(TABLE) == set(State)
    assert {state for state in State if states.is_terminal(state)} == set(OUTCOMES)


def test_the_steps_are_the_first_successors_in_a_row() -> None:
    way = [State.RECEIVED]
    while TABLE[way[-1]].successors:
        way.append(TABLE[way[-1]].successors[0])
    assert tuple(way[1:]) == STEPS


def test_a_touched_state_never_ends_as_if_nothing_was_touched() -> None:
    for state, rule in TABLE.items():
        if rule.touched:
            assert State.FAILED not in rule.successors, state
        if state not in OUTCOMES:
            assert rule.limit is not Limit.NONE, state


def test_every_state_on_the_way_can_fail() -> None:
    for state in STEPS[:-1]:
        failure = State.ROLLING_BACK if TABLE[state].touched else State.FAILED
        assert failure in TABLE[state].successors


@pytest.mark.parametrize(
    ("state", "intent", "touched"),
    [
        (State.PULLED, None, False),
        (State.PULLED, State.STOPPED, True),
        (State.VERIFIED, State.BACKED_UP, False),
        (State.STOPPED, None, True),
        (State.ROLLING_BACK, None, True),
    ],
)
def test_an_intended_touch_counts_as_a_touch(state: State, intent: State | None, touched: bool) -> None:
    assert states.touched(state, intent) is touched


def test_a_wrong_turn_is_refused_by_name() -> None:
    with pytest.raises(ConflictError, match="a transaction in state COMMITTED cannot become FAILED, expected nothing"):
        states.check(State.COMMITTED, State.FAILED)
    with pytest.raises(ConflictError, match="cannot become STARTED, expected VERIFIED or FAILED"):
        states.check(State.RECEIVED, State.STARTED)


def test_the_diagram_has_every_transition() -> None:
    lines = states.mermaid().splitlines()
    assert "    PULLED --> STOPPED" in lines
    assert "    BROKEN --> [*]" in lines
    assert sum("-->" in line for line in lines) == 1 + sum(len(r.successors) or 1 for r in TABLE.values())
