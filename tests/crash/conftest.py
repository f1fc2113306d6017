"""What the parts of the crash matrix share: each reports its cases, and the last test counts them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.crash.case import Case, Report

_CASES = pytest.StashKey[list[Case]]()


@pytest.fixture(scope="session")
def cases(request: pytest.FixtureRequest) -> list[Case]:
    """All cases that this session ran and judged."""
    return request.config.stash.setdefault(_CASES, [])


@pytest.fixture
def swept(cases: list[Case]) -> Callable[[Callable[[Report], None]], None]:
    """Runs a part of the matrix; fails with each violation and with how to see it again."""

    def run(part: Callable[[Report], None]) -> None:
        own: list[Case] = []
        part(own.append)
        cases.extend(own)
        assert own, "nothing was run"
        found = [
            f"{c.scenario} {c.fault} at {c.point}: {c.violation}\n    again: {c.reproduce}"
            for c in own
            if c.violation
        ]
        assert not found, f"{len(found)} of {len(own)} points:\n" + "\n".join(found)

    return run
