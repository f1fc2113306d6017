"""The walls of the architecture: import-linter's contracts hold, each of them can fail, and what they cannot see."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "ota_py"
PURE = ("manifest.py", "names.py", "trust/verify.py", "trust/layout.py")

# An import that each contract forbids: its name, a module, and the line that breaks it.
BREACHES = [
    ("the gateway's rooms import downwards", "gateway/system/clock.py", "import ota_py.gateway.journal.journal"),
    ("the manager's rooms import downwards", "manager/system/checkout.py", "import ota_py.manager.context"),
    ("the rooms of trust import downwards", "trust/verify.py", "import ota_py.trust.fetch.carriers"),
    ("the gateway stands alone", "gateway/agent/loop.py", "import ota_py.manager.system.checkout"),
    ("trust knows neither side", "trust/keys/signers.py", "import ota_py.server.clock"),
    ("the server never signs", "server/hints.py", "import ota_py.trust.keys.signers"),
    ("the manager reaches the control plane by HTTP only", "manager/rollout/gate.py", "import ota_py.server.models"),
    ("only the room docker talks to Docker", "gateway/health/gate.py", "import docker"),
    ("one module of each side starts processes", "server/clock.py", "import subprocess"),
    ("verification and the manifest touch nothing", "trust/layout.py", "import socket"),
]


def contracts() -> list[str]:
    """The names of the contracts in pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]


def lint(directory: Path) -> tuple[int, str]:
    """Exit status and output of import-linter over the tree in `directory`."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_imports_run_one_way():
    status, output = lint(ROOT)
    assert status == 0, output


def test_each_contract_can_fail(tmp_path: Path):
    assert [name for name, _, _ in BREACHES] == contracts()
    shutil.copytree(PACKAGE, tmp_path / "ota_py", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "ota_py/server/models.py").write_text('"""Records."""\n')
    for _, module, line in BREACHES:
        with open(tmp_path / "ota_py" / module, "a") as file:
            file.write(f"\n{line}\n")
    status, output = lint(tmp_path)
    assert status == 1
    kept = [name for name in contracts() if f"{name} BROKEN" not in output]
    assert not kept, output


def sources(part: str = "") -> list[Path]:
    """The modules below a part of `ota_py`, without migrations."""
    return [path for path in sorted((PACKAGE / part).rglob("*.py")) if "migrations" not in path.parts]


def relative(path: Path) -> str:
    """The path of a module below `ota_py`."""
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_open_nothing(name: str):
    tree = ast.parse((PACKAGE / name).read_text())
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not calls & {"open", "print", "input", "exec", "eval"}


def test_imports_are_absolute():
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{relative(path)}: relative import"


def test_only_main_exits():
    exits = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="sys"), attr="exit")):
                    exits.add(relative(path))
                case ast.Raise(exc=ast.Call(func=ast.Name(id="SystemExit")) | ast.Name(id="SystemExit")):
                    exits.add(relative(path))
    assert exits <= {"cli.py"}


def test_rooms_are_small_and_say_what_they_are_for():
    """A folder that a newcomer can read: about fifteen modules, and a docstring that says what is not there, too."""
    for directory in sorted({path.parent for path in sources()}):
        modules = [path for path in directory.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 16, (
            f"{relative(directory)} has {len(modules)} modules: split it by the reader's question"
        )
        docstring = ast.get_docstring(ast.parse((directory / "__init__.py").read_text())) or ""
        if directory.parent.name in ("gateway", "manager", "trust") and directory.parent.parent == PACKAGE:
            assert len(docstring.splitlines()) >= 3, f"{relative(directory)}: what lives there, and what does not?"
