"""Effects on disk, processes and Docker go through the modules that make each a point of the crash matrix."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.paths import ROOT

GATEWAY = ROOT / "ota_py" / "gateway"

# Who may do what the others must not, and why.
EXEMPT = {
    "system/files.py": "is where files are changed",
    "selfupdate/unpack.py": "unpacks what was checked, as one point",
    "system/process.py": "is where processes are started",
    "system/failpoints.py": "writes its trace, and kills itself",
    "journal/schema.py": "makes the journal's file, by files.py and SQLite",
    "system/lock.py": "the lock's file holds nothing that outlives its holder",
}
# SQLite writes files by itself: here within `files.produced`, in inspection.py read only.
SQLITE_EXEMPT = {"backup/database_sqlite.py"}

OS_HARMLESS = {
    *("close", "cpu_count", "environ", "fspath", "fstat", "fsdecode", "fsencode", "getegid", "geteuid"),
    *("getenv", "getgid", "getpid", "getppid", "getuid", "listdir", "lstat", "path", "pread", "read"),
    *("readlink", "scandir", "stat", "statvfs", "uname", "walk"),
}
SHUTIL_HARMLESS = {"which", "disk_usage"}
PATH_METHODS = {
    *("chmod", "hardlink_to", "lchmod", "mkdir", "rmdir", "symlink_to", "touch", "unlink", "write_bytes"),
    *("write_text", "rename", "extract", "extractall"),
}


def name_of(path: Path) -> str:
    """The path below the gateway's package: names of files repeat in its rooms."""
    return path.relative_to(GATEWAY).as_posix() if path.is_relative_to(GATEWAY) else path.name


def changes(path: Path) -> list[str]:
    """The calls of a module that change something outside it, as `line: call`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and (name := _forbidden(node, name_of(path))):
            found.append(f"{name_of(path)}:{node.lineno}: {name}")
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil", "subprocess"):
            found.append(f"{name_of(path)}:{node.lineno}: import of parts of {node.module}")
    return found


def _forbidden(call: ast.Call, module: str) -> str:
    match call.func:
        case ast.Name(id="open") if _writes(call.args[1:2], call.keywords):
            return "open for writing"
        case ast.Attribute(value=ast.Name(id="os"), attr=name) if name not in OS_HARMLESS:
            return f"os.{name}"
        case ast.Attribute(value=ast.Name(id="shutil"), attr=name) if name not in SHUTIL_HARMLESS:
            return f"shutil.{name}"
        case ast.Attribute(value=ast.Name(id="tempfile" | "subprocess" as package), attr=name):
            return f"{package}.{name}"
        case ast.Attribute(value=ast.Name(id="sqlite3"), attr="connect") if module not in SQLITE_EXEMPT:
            return "sqlite3.connect"
        case ast.Attribute(attr="APIClient" | "from_env" as name) if module != "docker/images.py":
            return name
        case ast.Attribute(value=owner, attr=name) if name in PATH_METHODS and not _is_ours(owner):
            return f"Path.{name}"
        case ast.Attribute(attr="replace") if len(call.args) == 1 and not call.keywords:
            return "Path.replace"
        case ast.Attribute(attr="open") if _writes(call.args[:1], call.keywords):
            return "Path.open for writing"
    return ""


def _is_ours(owner: ast.expr) -> bool:
    """`files.rename` is the way to go; `api.rename` is Docker's, and a point."""
    return (isinstance(owner, ast.Name) and owner.id == "files") or (
        isinstance(owner, ast.Attribute) and owner.attr in ("api", "_api")
    )


def _writes(mode: list[ast.expr], keywords: list[ast.keyword]) -> bool:
    given = [*mode, *(k.value for k in keywords if k.arg == "mode")]
    return any(not isinstance(m, ast.Constant) or set(str(m.value)) & set("wax+") for m in given)


@pytest.mark.case("F01")
@pytest.mark.parametrize("path", sorted(GATEWAY.glob("**/*.py")), ids=lambda path: name_of(path))
def test_effects_go_through_the_modules_that_make_them_points(path: Path):
    if name_of(path) not in EXEMPT:
        assert not changes(path), "use files.py, process.py, or the client of images.connect: all of it is swept"


def test_the_wall_is_not_vacuous(tmp_path: Path):
    assert all((GATEWAY / name).exists() for name in EXEMPT)
    for text in (
        "open(p, 'w')",
        "open(p, mode=m)",
        "os.replace(a, b)",
        "shutil.rmtree(p)",
        "p.write_text('')",
        "p.with_name('x').rename(q)",
        "p.replace(q)",
        "subprocess.run([])",
        "docker.APIClient()",
        "sqlite3.connect(p)",
        "from os import replace",
    ):
        (tmp_path / "module.py").write_text(text)
        assert changes(tmp_path / "module.py"), text
    for text in (
        "open(p)",
        "open(p, 'rb')",
        "os.path.join(a)",
        "files.rename(a, b)",
        "'a'.replace('b', 'c')",
    ):
        (tmp_path / "module.py").write_text(text)
        assert not changes(tmp_path / "module.py"), text
