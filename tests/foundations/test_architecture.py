"""The pictures of the rooms in docs/architecture.md are those of the imports, which have no rings."""

from __future__ import annotations

import pytest

from tools import architecture


def test_the_pictures_have_not_drifted():
    written = architecture.DOCUMENT.read_text()
    assert written == architecture.document(written), "run: python -m tools.architecture"


@pytest.mark.parametrize("side", ["gateway", "manager", "trust"])
def test_rooms_import_one_way(side: str):
    edges = architecture.imports(side)
    assert len(edges) > 5
    assert not [(a, b) for a, b in edges if architecture._is_reached(b, a, edges)]
