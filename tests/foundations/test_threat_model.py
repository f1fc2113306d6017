"""docs/threat-model.md names tests that exist."""

from __future__ import annotations

import re

import pytest

from tools import faults

DOCUMENT = faults.ROOT / "docs" / "threat-model.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py::[\w:]+)`", DOCUMENT.read_text())))


def test_every_line_of_the_table_is_shown_by_tests_or_says_why_not():
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")][1:]
    assert len(lines) >= 15
    for line in lines:
        shown = line.split("|")[4]
        assert "`tests/" in shown or "no test" in shown or "only answer" in shown, line


@pytest.mark.parametrize("name", NAMED)
def test_it_exists(name: str):
    assert name in faults.tests(), f"{DOCUMENT.name} names {name}, which is not there"


def test_every_place_in_tests_that_is_named_exists():
    for path in re.findall(r"`(tests/\w+)`", DOCUMENT.read_text()):
        assert (faults.ROOT / path).is_dir(), path
