"""docs/adr/: every decision is in the index, gaps of numbers are explained, contracts between builds are there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DIRECTORY = ROOT / "docs" / "adr"
INDEX = (DIRECTORY / "README.md").read_text()
ROW = re.compile(r"^\| \[(\d+)\]\(([\w.-]+)\) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
ROWS = {file: (int(number), title, decision, status) for number, file, title, decision, status in ROW.findall(INDEX)}
UNUSED = {int(number) for number in re.findall(r"^- \*\*(\d+)\*\*: \w", INDEX, re.MULTILINE)}
BUILDS = DIRECTORY / "0014-upgrade-of-the-gateway-software.md"
CONTRACTS = ("ota_py.gateway.self_check", "ota_py.gateway.supervisor", "ota_py.gateway.cli:main")


def decisions() -> list[Path]:
    return sorted(DIRECTORY.glob("[0-9]*.md"))


def number_of(path: Path) -> int:
    return int(path.name[:4])


@pytest.mark.parametrize("path", decisions(), ids=lambda path: path.name)
def test_a_decision_is_in_the_index_by_its_number_and_title(path: Path) -> None:
    assert path.name in ROWS, f"add {path.name} to docs/adr/README.md"
    number, title, _, status = ROWS[path.name]
    assert path.read_text().startswith(f"# {number}. {title}\n")
    assert number == number_of(path)
    assert re.fullmatch(r"accepted|superseded by \[\d+\]\([\w.-]+\)", status), status


def test_the_index_has_no_row_without_a_decision_and_is_in_order() -> None:
    assert list(ROWS) == [path.name for path in decisions()]


def test_numbers_that_were_never_used_are_explained() -> None:
    used = {number_of(path) for path in decisions()}
    assert len(used) == len(decisions()), "a number is there twice"
    assert set(range(1, max(used) + 1)) - used == UNUSED


def test_the_template_has_the_shape_that_the_index_asks_for() -> None:
    template = (DIRECTORY / "template.md").read_text()
    assert re.match(r"# NUMBER\. \w", template)
    assert all(f"\n## {section}\n" in template for section in ("Options", "Choice", "Cost"))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_module_paths_that_every_build_must_keep_are_listed_and_there(contract: str) -> None:
    assert f"| `{contract}` |" in BUILDS.read_text()
    module, _, name = contract.partition(":")
    assert callable(getattr(importlib.import_module(module), name or "main"))
