"""Shared plumbing has one room each: a second copy of it anywhere else in ota_py is found here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota_py.gateway.journal import migrations, schema
from tests.support.paths import ROOT

PACKAGE = ROOT / "ota_py"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
JOURNAL_TABLES = sorted(set(re.findall(r"CREATE TABLE (\w+)", schema.SCHEMA + str(migrations.STEPS))))
JOURNAL_SQL = re.compile(rf"\b(?:FROM|INTO|UPDATE|JOIN|TABLE)\s+(?:{'|'.join(JOURNAL_TABLES)})\b")


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name


def texts(path: Path) -> Iterator[str]:
    """All texts that a module has in its code; of a formatted one what is fixed, its values left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def journal_sql(path: Path) -> list[str]:
    return [f"{relative(path)}: {text[:80]}" for text in texts(path) if JOURNAL_SQL.search(text)]


@pytest.mark.parametrize("path", [p for p in SOURCES if relative(p).startswith("gateway/")], ids=relative)
def test_sql_of_the_journal_is_in_its_room(path: Path):
    if not relative(path).startswith("gateway/journal/"):
        assert not journal_sql(path), "only gateway/journal/ knows the journal's tables: give it a function"


def test_the_search_for_sql_is_not_vacuous(tmp_path: Path):
    assert {"transactions", "outbox", "upgrades", "floor", "facts"} <= set(JOURNAL_TABLES)
    assert journal_sql(PACKAGE / "gateway/journal/floor.py")
    for text in (
        "c.execute('SELECT * FROM transactions WHERE id = ?')",
        "c.execute(f'DELETE FROM outbox WHERE id IN ({x})')",
        "q = ('UPDATE upgrades '\n     'SET state = ?')",
    ):
        (tmp_path / "module.py").write_text(text)
        assert journal_sql(tmp_path / "module.py"), text
