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


def whole_hashes(path: Path) -> list[str]:
    """Where a module hashes bytes or a file at one go, instead of piece by piece on their way elsewhere."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Attribute(value=ast.Call(func=ast.Attribute(value=ast.Name(id="hashlib"))), attr="hexdigest"):
                found.append(f"{relative(path)}:{node.lineno}")
            case ast.Attribute(value=ast.Name(id="hashlib"), attr="file_digest"):
                found.append(f"{relative(path)}:{node.lineno}")
            case ast.FunctionDef(name="sha256_of" | "sha256_of_file" | "digest_of") if len(node.args.args) == 1:
                found.append(f"{relative(path)}:{node.lineno}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_hashes_are_made_in_one_module(path: Path):
    assert whole_hashes(path) == [] or relative(path) == "hashes.py", "use ota_py.hashes"


def test_the_search_for_hashes_is_not_vacuous(tmp_path: Path):
    assert len(whole_hashes(PACKAGE / "hashes.py")) > 3
    (tmp_path / "module.py").write_text("hashlib.sha256(data).hexdigest()")
    assert whole_hashes(tmp_path / "module.py")


def architecture_names(path: Path) -> list[str]:
    """Where a module names machines as `uname -m` does, or lists the architectures by itself."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Dict(keys=[ast.Constant(value="x86_64" | "aarch64" | "armv7l"), *_]):
                found.append(f"{relative(path)}:{node.lineno}")
            case ast.List(elts=elements) | ast.Tuple(elts=elements) if {"amd64", "arm64"} <= {
                element.value for element in elements if isinstance(element, ast.Constant)
            }:
                found.append(f"{relative(path)}:{node.lineno}")
            case ast.Attribute(value=ast.Name(id="platform"), attr="machine"):
                found.append(f"{relative(path)}:{node.lineno}")
    return found


@pytest.mark.parametrize("path", [*SOURCES, *sorted((ROOT / "lab").glob("*.py"))], ids=relative)
def test_architectures_are_named_in_one_module(path: Path):
    assert architecture_names(path) == [] or relative(path) == "architectures.py", "use ota_py.architectures"


def test_the_search_for_architectures_is_not_vacuous():
    assert len(architecture_names(PACKAGE / "architectures.py")) == 3
