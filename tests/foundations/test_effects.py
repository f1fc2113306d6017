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
    "system/openat.py": "opens and makes files by descriptors",
    "system/read_tree.py": "is where what services may write to is read",
    "system/beneath.py": "is where what services may write to is changed",
    "selfupdate/unpack.py": "unpacks what was checked, as one point",
    "system/process.py": "is where processes are started",
    "system/failpoints.py": "writes its trace, and kills itself",
    "journal/schema.py": "makes the journal's file, by files.py and SQLite",
    "system/lock.py": "the lock's file holds nothing that outlives its holder",
}
# Who may open a file by its path, and why no service can have put a link on the way.
OPENS_BY_PATH = {
    "backup/backups.py": "the backups' own directory",
    "backup/database_servers.py": "dumps in a backup",
    "backup/image_retention.py": "manifests in the state directory",
    "config/model.py": "gateway.toml, which policy protects",
    "controlplane/api.py": "the token, which policy protects",
    "controlplane/mqtt.py": "the broker's password, which the owner places",
    "docker/real_mounts.py": "/proc",
    "fetch/bundle.py": "a bundle that a person names",
    "fetch/downloads.py": "what was fetched, in the state directory",
    "fetch/sources.py": "a manifest that a person names",
    "health/mqtt_probe.py": "the broker's password, which the owner places",
    "journal/schema.py": "the journal's directory",
    "selfupdate/installation.py": "this software's own directory",
    "selfupdate/unpack.py": "a wheelhouse in the state directory",
    "system/clock.py": "/proc",
    "system/failpoints.py": "a trace that a test names",
    "system/files.py": "private places, by its own rule",
    "system/lock.py": "the lock's file, in the state directory",
    "system/openat.py": "is where descriptors are made",
    "system/process.py": "the log of a program, in the state directory; /proc",
    "system/read_tree.py": "is where what services may write to is read",
    "system/beneath.py": "a copy in a private place, for what is written",
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


def openings(path: Path) -> list[str]:
    """The calls of a module that open a file by its path, as `line: call`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Name(id="open")):
                found.append(f"{name_of(path)}:{node.lineno}: open")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="open" | "readlink" | "fdopen" as name)):
                found.append(f"{name_of(path)}:{node.lineno}: os.{name}")
            case ast.Call(func=ast.Attribute(attr="read_bytes" | "read_text" as name)):
                found.append(f"{name_of(path)}:{node.lineno}: Path.{name}")
            case ast.Call(func=ast.Attribute(attr="open"), args=[ast.Constant(value=str()), *_]):
                found.append(f"{name_of(path)}:{node.lineno}: Path.open")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="tarfile" | "zipfile" as name), attr="open")):
                found.append(f"{name_of(path)}:{node.lineno}: {name}.open")
    return found


@pytest.mark.case("A41")
def test_what_a_service_may_write_to_is_opened_by_one_module() -> None:
    found = {name_of(path): openings(path) for path in GATEWAY.glob("**/*.py")}
    others = [line for name, lines in found.items() if name not in OPENS_BY_PATH for line in lines]
    assert not others, "use system/read_tree.py or system/beneath.py, or say here why no service can put a link there"
    assert not [name for name in OPENS_BY_PATH if not found[name]], "exempt without need"


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
        "os.open(p, 0)",
        "p.read_bytes()",
        "p.read_text()",
        "p.open('rb')",
        "os.readlink(p)",
        "tarfile.open(p)",
    ):
        (tmp_path / "module.py").write_text(text)
        assert openings(tmp_path / "module.py"), text
    for text in (
        "open(p)",
        "open(p, 'rb')",
        "os.path.join(a)",
        "files.rename(a, b)",
        "'a'.replace('b', 'c')",
    ):
        (tmp_path / "module.py").write_text(text)
        assert not changes(tmp_path / "module.py"), text
