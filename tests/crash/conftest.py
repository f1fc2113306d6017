"""Fixtures of the crash matrix: each part reports its cases, and the last test counts them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.crash import matrix
from tests.crash.case import Case, Report

_TOTAL = "test_the_matrix_is_as_large_as_promised"
_CASES = pytest.StashKey[list[Case]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count the points after all parts that need no gateway; not at all where some of them are left out.

    Last of all hooks, so that what `-k` and its like take away is gone by now.
    """
    total = [item for item in items if item.name == _TOTAL]
    if not total:
        return
    items[:] = [item for item in items if item not in total]
    parts = [number for number, item in enumerate(items) if _is_part(item)]
    if len(parts) == matrix.parts():
        items[parts[-1] + 1 : parts[-1] + 1] = total
    else:
        config.hook.pytest_deselected(items=total)


def _is_part(item: pytest.Item) -> bool:
    return "swept" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("lab")


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
            f"{c.scenario} {c.fault} at {c.point}: {c.violation}\n    again: {c.reproduce}" for c in own if c.violation
        ]
        assert not found, f"{len(found)} of {len(own)} points:\n" + "\n".join(found)

    return run
