"""Shared plumbing has one room each: a second copy of it anywhere else in ota_py is found here."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from ota_py.gateway.journal import migrations, schema
from tests.support.paths import ROOT

PACKAGE = ROOT / "ota_py"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "migrations")
LAB = sorted((ROOT / "lab").glob("*.py"))
JOURNAL_TABLES = sorted(set(re.findall(r"CREATE TABLE (\w+)", schema.SCHEMA + str(migrations.STEPS))))
JOURNAL_SQL = re.compile(rf"\b(?:FROM|INTO|UPDATE|JOIN|TABLE)\s+(?:{'|'.join(JOURNAL_TABLES)})\b")
# `os.replace` is an effect of its own on a gateway, with a failpoint before and after it.
DURABLE = {
    "ota_py/durable.py": {"os.fsync", "os.replace", "os.O_EXCL"},
    "ota_py/gateway/system/files.py": {"os.replace"},
    # By descriptors, where a service may write: there is no path that could be given to `durable`.
    "ota_py/gateway/system/beneath.py": {"os.fsync", "os.rename", "Path.rename"},
    "ota_py/gateway/system/openat.py": {"os.fsync", "os.O_EXCL"},
}

# What a module has of something that should be in one room.
Finder = Callable[[Path], set[str]]


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def users(find: Finder, paths: Iterable[Path] = (*SOURCES, *LAB)) -> dict[str, set[str]]:
    """The modules in which something is found, and what."""
    return {name_of(path): found for path in paths if (found := find(path))}


def found_in(find: Finder, directory: Path, text: str) -> set[str]:
    """What is found in a module of this text."""
    module = directory / f"module{len(list(directory.iterdir()))}.py"
    module.write_text(text)
    return find(module)


def texts(path: Path) -> Iterator[str]:
    """All texts that a module has in its code; of a formatted one what is fixed, its values left out."""
    for node in nodes(path):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def journal_sql(path: Path) -> set[str]:
    return {text for text in texts(path) if JOURNAL_SQL.search(text)}


def test_sql_of_the_journal_is_in_its_room():
    elsewhere = [path for path in SOURCES if PACKAGE / "gateway/journal" not in path.parents]
    assert users(journal_sql, [path for path in elsewhere if PACKAGE / "gateway" in path.parents]) == {}


def test_the_search_for_sql_is_not_vacuous(tmp_path: Path):
    assert {"transactions", "outbox", "upgrades", "floor", "facts"} <= set(JOURNAL_TABLES)
    assert journal_sql(PACKAGE / "gateway/journal/floor.py")
    for text in (
        "c.execute('SELECT * FROM transactions WHERE id = ?')",
        "c.execute(f'DELETE FROM outbox WHERE id IN ({x})')",
        "q = ('UPDATE upgrades '\n     'SET state = ?')",
    ):
        assert found_in(journal_sql, tmp_path, text), text


def whole_hashes(path: Path) -> set[str]:
    """Hashes of bytes or a file at one go; piece by piece on the way elsewhere is another thing."""
    found = set()
    for node in nodes(path):
        match node:
            case ast.Attribute(value=ast.Call(func=ast.Attribute(value=ast.Name(id="hashlib"))), attr="hexdigest"):
                found.add("hash of bytes")
            case ast.Attribute(value=ast.Name(id="hashlib"), attr="file_digest"):
                found.add("hash of a file")
    return found


def test_hashes_are_made_in_one_module(tmp_path: Path):
    assert users(whole_hashes, SOURCES) == {"ota_py/hashes.py": {"hash of bytes", "hash of a file"}}
    assert found_in(whole_hashes, tmp_path, "hashlib.sha256(data).hexdigest()")


def architecture_names(path: Path) -> set[str]:
    """Names of machines as `uname -m` has them, lists of architectures, and what this machine is."""
    found = set()
    for node in nodes(path):
        match node:
            case ast.Dict(keys=[ast.Constant(value="x86_64" | "aarch64" | "armv7l"), *_]):
                found.add("machines")
            case ast.List(elts=elements) | ast.Tuple(elts=elements) if {"amd64", "arm64"} <= {
                element.value for element in elements if isinstance(element, ast.Constant)
            }:
                found.add("architectures")
            case ast.Attribute(value=ast.Name(id="platform"), attr="machine"):
                found.add("this machine")
    return found


def test_architectures_are_named_in_one_module():
    assert users(architecture_names) == {"ota_py/architectures.py": {"machines", "architectures", "this machine"}}


def durable_steps(path: Path) -> set[str]:
    """What makes a file durable, replaces it, or makes it only where there is none."""
    found = set()
    for node in nodes(path):
        match node:
            case ast.Attribute(
                value=ast.Name(id="os"), attr="fsync" | "fdatasync" | "replace" | "rename" | "O_EXCL" as name
            ):
                found.add(f"os.{name}")
            case ast.Attribute(value=ast.Name(id="tempfile"), attr="mkstemp" | "NamedTemporaryFile" as name):
                found.add(f"tempfile.{name}")
            case ast.Call(func=ast.Attribute(attr="rename", value=owner)) if not _is_ours_or_dockers(owner):
                found.add("Path.rename")
            case ast.Call(func=ast.Attribute(attr="replace"), args=[_], keywords=[]):
                found.add("Path.replace")
            case ast.Call(func=ast.Name(id="open") | ast.Attribute(attr="open"), args=arguments) if any(
                isinstance(argument, ast.Constant) and argument.value in ("x", "xb") for argument in arguments
            ):
                found.add("open for a new file")
    return found


def _is_ours_or_dockers(owner: ast.expr) -> bool:
    return ast.unparse(owner) in ("files", "durable", "self.api", "self._api")


def test_files_are_made_durable_in_one_module(tmp_path: Path):
    assert users(durable_steps) == DURABLE, "use ota_py.durable; on a gateway files.py"
    for text in (
        "os.replace(a, b)",
        "os.fsync(d)",
        "os.open(p, os.O_WRONLY | os.O_EXCL)",
        "tempfile.NamedTemporaryFile()",
        "a.rename(b)",
        "a.replace(b)",
        "p.open('xb')",
    ):
        assert found_in(durable_steps, tmp_path, text), text


def imports_of_durable(path: Path) -> set[str]:
    imports = [node for node in nodes(path) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names} & {"durable", "ota_py.durable"}


def test_on_a_gateway_only_files_makes_files_durable():
    gateway = [path for path in SOURCES if PACKAGE / "gateway" in path.parents]
    assert users(imports_of_durable, gateway) == {"ota_py/gateway/system/files.py": {"durable"}}


def watchdogs(path: Path) -> set[str]:
    """What hangs up on a connection when a time is over."""
    found = set()
    for node in nodes(path):
        match node:
            case ast.Attribute(value=ast.Name(id="threading"), attr="Timer"):
                found.add("threading.Timer")
            case ast.Attribute(value=ast.Name(id="socket"), attr="SHUT_RDWR"):
                found.add("socket.SHUT_RDWR")
    return found


def test_one_module_hangs_up_when_time_is_over(tmp_path: Path):
    assert users(watchdogs, SOURCES) == {"ota_py/http_deadline.py": {"socket.SHUT_RDWR"}}
    assert found_in(watchdogs, tmp_path, "threading.Timer(1, hang_up)")


def registry_logins(path: Path) -> set[str]:
    """What takes a registry's challenge apart, or answers it."""
    marks = {"Basic ", "registry-1.docker.io", ":pull"}
    found = {mark for text in texts(path) for mark in marks if mark in text}
    for node in nodes(path):
        match node:
            case ast.Name(id="parse_keqv_list" | "parse_http_list" | "parse_dict_header" as name):
                found.add(name)
    return found


def test_one_module_logs_in_at_registries():
    assert set(users(registry_logins, SOURCES)) == {"ota_py/registry_login.py"}


def compose_walks(path: Path) -> set[str]:
    """What looks for the files that a Compose file names."""
    return {text for text in texts(path) if text in ("label_file", "env_file", "project_directory", "extends")}


def test_one_module_walks_over_what_compose_files_name():
    assert set(users(compose_walks, SOURCES)) == {"ota_py/gateway/docker/compose_files.py"}


def tables(path: Path) -> set[str]:
    """What aligns columns, or sets up a table of rich."""
    found = set()
    for node in nodes(path):
        match node:
            case ast.Attribute(attr="ljust" | "rjust" as name):
                found.add(name)
            case ast.Call(func=ast.Name(id="Table")):
                found.add("Table")
    return found


def test_tables_are_made_in_two_modules():
    assert users(tables, SOURCES) == {
        "ota_py/text/table.py": {"ljust"},
        "ota_py/manager/rollout/progress.py": {"Table"},
    }


# Names that frameworks fix.
REPEATED = {"Command", "Meta", "Migration"}


def class_names(path: Path) -> list[str]:
    return [node.name for node in nodes(path) if isinstance(node, ast.ClassDef)]


def test_a_class_name_occurs_once():
    seen: dict[str, list[str]] = {}
    for path in SOURCES:
        for name in class_names(path):
            seen.setdefault(name, []).append(name_of(path))
    twice = {name: paths for name, paths in seen.items() if len(paths) > 1 and name not in REPEATED}
    assert not twice, "give the one a name that says which it is"
