"""Every row of docs/faults.md is guarded by a test that names it; no test names a row that is not there."""

from __future__ import annotations

import pytest

from tools import faults

FAULTS = [
    *(f"F{number:02}" for number in (*range(1, 10), *range(10, 17), *range(20, 25), *range(30, 37))),
]

ATTACKS = [f"A{number:02}" for number in (*range(1, 10), *range(20, 26), 33, *range(40, 55))]


def test_the_document_has_all_rows():
    assert list(faults.rows()) == FAULTS + ATTACKS


@pytest.mark.parametrize("row", FAULTS + ATTACKS)
def test_the_row_is_guarded(row: str):
    assert faults.guards()[row], f"no test is marked with @pytest.mark.case({row!r})"


def test_no_test_names_a_row_that_does_not_exist():
    assert not set(faults.guards()) - set(faults.rows())
