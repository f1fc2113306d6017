"""The generated documents say what the code does now."""

from __future__ import annotations

import pytest

from tools.reference import DOCUMENTS, REFERENCE


@pytest.mark.parametrize("name", DOCUMENTS)
def test_reference_has_not_drifted(name: str):
    written = (REFERENCE / name).read_text()
    assert written == DOCUMENTS[name](), "run: python -m tools.reference"


def test_nothing_else_lies_there():
    assert {path.name for path in REFERENCE.iterdir()} == set(DOCUMENTS)
