"""The Markdown documents: lines of at most 120 columns, links that lead somewhere, paths and tests that exist."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tools import faults

WIDTH = 120
# Written by tools/reference.py: their width is the program's, and what they name is checked with the code.
GENERATED = ROOT / "docs" / "reference"
# Named by documents, and made by a program or a build: never in the repository.
MADE = re.compile(r"^(?:\.lab/|build/|keys/)")
# Directories of the repository at whose beginning a path is known as one of ours.
TOP = ("action_plugins", "bench", "docs", "inventory", "lab", "library", "module_utils", "ota_py", "playbooks")
TOP += ("roles", "tests", "tools", ".ci")
# Files of the top directory that documents name without a directory.
TOP_FILE = re.compile(r"^(?:[a-z-]+\.yml|ansible\.cfg|requirements[a-z-]*\.txt|pyproject\.toml|[A-Z][A-Za-z]+\.md)$")
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def documents() -> list[Path]:
    """The Markdown files of the repository that people write."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    found = [ROOT / name for name in listed if name]
    return [path for path in found if path.exists() and not path.is_relative_to(GENERATED)]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside code blocks, with their numbers."""
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not (line.startswith("    ") and _is_code(text, number)):
            yield number, line


def _is_code(text: str, number: int) -> bool:
    """Whether an indented line is code, not the text of a list item."""
    for line in reversed(text.splitlines()[: number - 1]):
        if line and not line.startswith(" "):
            return not re.match(r"(?:[-*]|\d+\.) ", line)
    return True


def too_long(text: str) -> list[int]:
    """The numbers of the lines of prose that are too long; a table's line cannot be wrapped."""
    return [n for n, line in prose(text) if len(line) > WIDTH and not line.lstrip().startswith("|")]


def anchors(path: Path) -> set[str]:
    """The anchors of the headings, as web views of repositories make them."""
    headings = [line.lstrip("#").strip().lower() for _, line in prose(path.read_text()) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def dead_links(path: Path, text: str) -> list[str]:
    """The relative links that lead nowhere."""
    dead = []
    for target in (t for _, line in prose(text) for t in LINK.findall(line)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(target)
    return dead


def dead_paths(text: str) -> list[str]:
    """The paths and tests of this repository that stand in backticks, and are not there."""
    return [span for _, line in prose(text) for span in SPAN.findall(line) if _is_dead(span)]


def _is_dead(span: str) -> bool:
    path, _, test = span.partition("::")
    path = path.removeprefix("./")
    if not re.fullmatch(r"[\w./*-]+", path) or MADE.match(path):
        return False
    if path.split("/")[0] in TOP and "/" in path:
        if test:
            return span not in faults.tests()
        return not any(ROOT.glob(path.rstrip("/")))
    return bool(TOP_FILE.match(path)) and not _is_a_name(path)


@functools.cache
def _is_a_name(name: str) -> bool:
    """Whether any file of the repository has this name: documents beside it may leave its directory out."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return name in {line.rpartition("/")[2] for line in listed.splitlines()} or (ROOT / name).exists()


@pytest.mark.parametrize("path", documents(), ids=relative)
def test_prose_is_wrapped(path: Path) -> None:
    assert not too_long(path.read_text()), f"{relative(path)}: wrap these lines at {WIDTH} columns"


@pytest.mark.parametrize("path", documents(), ids=relative)
def test_links_lead_somewhere(path: Path) -> None:
    assert not dead_links(path, path.read_text())


@pytest.mark.parametrize("path", documents(), ids=relative)
def test_paths_and_tests_exist(path: Path) -> None:
    assert not dead_paths(path.read_text())


def test_the_checks_are_not_vacuous(tmp_path: Path) -> None:
    names = {relative(path) for path in documents()}
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/glossary.md", "docs/adr/README.md"} <= names
    long = "word " * 30
    assert too_long(f"# A\n\n{long}\n\n- item\n\n    {long}\n") == [3, 7]
    assert not too_long(f"| {long} |\n\n```\n{long}\n```\n\nText:\n\n    {long}\n")
    document = tmp_path / "a.md"
    document.write_text("# One heading, of two\n")
    assert not dead_links(document, "[a](#one-heading-of-two) [b](https://example.com/x) [c](a.md)")
    assert dead_links(document, "[a](#two) [b](b.md) [c](a.md#none)") == ["#two", "b.md", "a.md#none"]
    good = "`ota_py/errors.py` `tests/crash/sim/*.py` `lab/lab up` `rollout.yml` `/etc/ota/token` `ota_py/server/`"
    here = "tests/foundations/test_documents.py"
    assert not dead_paths(f"{good} `{here}::test_prose_is_wrapped`")
    gone = ["ota_py/gateway/agent.py", f"{here}::test_gone", "rollin.yml", "tests/nothing/", "tests/none_*.py"]
    assert dead_paths(" ".join(f"`{name}`" for name in gone)) == gone
