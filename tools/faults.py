"""The tests that guard each row of docs/faults.md: `python -m tools.faults [ROW...]`.

A test names its rows by the marker `case`, on itself, on its class, or for its whole file by `pytestmark`.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "faults.md"


def rows() -> dict[str, str]:
    """The rows of docs/faults.md: name to fault."""
    return dict(re.findall(r"^\| ([FA]\d\d) \| ([^|]+?) \|", DOCUMENT.read_text(), re.MULTILINE))


def guards() -> dict[str, list[str]]:
    """The tests that name each row, as `tests/x/test_y.py::test_z`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        whole_file = _file_rows(tree)
        for test, named in _tests(tree):
            for row in sorted({*whole_file, *named}):
                found[row].append(f"{path.relative_to(ROOT)}::{test}")
    return found


@functools.cache
def tests() -> frozenset[str]:
    """All tests, as `tests/x/test_y.py::test_z`."""
    return frozenset(
        f"{path.relative_to(ROOT)}::{test}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for test, _ in _tests(ast.parse(path.read_text()))
    )


def _tests(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            of_class = _named(node.decorator_list)
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test_"):
                    yield f"{node.name}::{inner.name}", of_class | _named(inner.decorator_list)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, _named(node.decorator_list)


def _file_rows(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            value = node.value
            return _named(value.elts if isinstance(value, ast.List | ast.Tuple) else [value])
    return set()


def _named(expressions: list[ast.expr]) -> set[str]:
    """The rows in `pytest.mark.case("F07", ...)` among decorators or marks."""
    return {
        str(argument.value)
        for call in expressions
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.case"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }


def main() -> None:
    """Print the requested rows, or all, each with its tests."""
    found = guards()
    for row, fault in rows().items():
        if not sys.argv[1:] or row in sys.argv[1:]:
            sys.stdout.write(f"{row}  {fault}\n" + "".join(f"     {test}\n" for test in found[row]))


if __name__ == "__main__":
    main()
