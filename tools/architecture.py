"""Write the pictures of the rooms in docs/architecture.md from the imports: `python -m tools.architecture`.

A test fails when they drift from the code. An arrow stands for an import that no chain of other arrows implies.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "architecture.md"
# The packages that have rooms; "" is all of `ota_py`.
SIDES = ("", "gateway", "manager", "trust", "server")


def rooms(side: str) -> list[str]:
    """The sub-packages of a side, and the modules beside them, by name."""
    return sorted(name.rpartition(".")[2] for name in _graph().find_children(_package(side)))


def imports(side: str) -> set[tuple[str, str]]:
    """The pairs of rooms of which the first imports the second directly, in any of its modules."""
    graph, package = _graph(), _package(side)
    found = set()
    for importer in rooms(side):
        for imported in rooms(side):
            if importer != imported and graph.direct_import_exists(
                importer=f"{package}.{importer}", imported=f"{package}.{imported}", as_packages=True
            ):
                found.add((importer, imported))
    return found


def arrows(side: str) -> list[tuple[str, str]]:
    """The imports between rooms that no chain of other imports implies."""
    edges = imports(side)
    return sorted((a, b) for a, b in edges if not _is_reached(a, b, edges - {(a, b)}))


def picture(side: str) -> str:
    """The rooms of a side as a Mermaid flowchart and a table of what lives where."""
    package = _package(side).replace(".", "/")
    drawn = [f"    {a} --> {b}" for a, b in arrows(side)]
    linked = {name for pair in arrows(side) for name in pair}
    drawn += [f"    {name}" for name in rooms(side) if name not in linked]
    rows = [f"| `{name}` | {_first_line(side, name)} |" for name in rooms(side)]
    head = f"### `{package}`\n\n```mermaid\nflowchart TD\n"
    return head + "\n".join([*drawn, "```", "", "| room | what lives there |", "|---|---|", *rows, ""])


def document(present: str) -> str:
    """The text of docs/architecture.md with its pictures drawn anew; what people wrote stays."""
    for side in SIDES:
        begin, end = f"<!-- rooms of {_package(side)} -->\n", f"<!-- end of {_package(side)} -->\n"
        before, _, rest = present.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"{DOCUMENT.name} has no place between {begin.strip()} and {end.strip()}"
        present = f"{before}{begin}\n{picture(side)}\n{end}{after}"
    return present


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("ota_py", cache_dir=None)


def _package(side: str) -> str:
    return f"ota_py.{side}" if side else "ota_py"


def _is_reached(start: str, end: str, edges: set[tuple[str, str]]) -> bool:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        if here == end:
            return True
        seen.add(here)
        waiting += [b for a, b in edges if a == here and b not in seen]
    return False


def _first_line(side: str, name: str) -> str:
    return next(_docstring(side, name)).replace("|", "\\|")


def _docstring(side: str, name: str) -> Iterator[str]:
    base = ROOT.joinpath(*_package(side).split("."), name)
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    yield from (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(document(DOCUMENT.read_text()))
    sys.stdout.write(f"{DOCUMENT.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
