"""The walls of the architecture: who may import whom, who may exit, spawn or talk to Docker."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "ota_py"

GATEWAY_FORBIDDEN = (
    "ansible",
    "ansible_runner",
    "django",
    "ninja",
    "boto3",
    "rich",
    "ota_py.manager",
    "ota_py.server",
)
MANAGER_MAY_IMPORT_SERVER = {
    # `serve` and `init` run the control plane's own process; they do not read its records.
    "manager/commands/serve.py",
    "manager/commands/init.py",
    # Its workers, and the process beside them.
    "manager/serve/worker.py",
    "manager/serve/maintenance.py",
}
PURE = ("manifest.py", "names.py", "trust/verify.py", "trust/layout.py")
PURE_FORBIDDEN = (
    "os",
    "io",
    "pathlib.Path",
    "socket",
    "subprocess",
    "time",
    "urllib",
    "requests",
    "tempfile",
    "shutil",
)


def sources(part: str = "") -> list[Path]:
    return [path for path in sorted((PACKAGE / part).rglob("*.py")) if "migrations" not in path.parts]


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(path: Path) -> set[str]:
    """All modules that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def reaches(modules: set[str], forbidden: tuple[str, ...]) -> set[str]:
    return {m for m in modules if any(m == f or m.startswith(f + ".") for f in forbidden)}


@pytest.mark.parametrize("path", sources("gateway"), ids=relative)
def test_gateway_stands_alone(path: Path):
    assert not reaches(imports(path), GATEWAY_FORBIDDEN)


@pytest.mark.parametrize("path", sources("trust"), ids=relative)
def test_trust_knows_neither_side(path: Path):
    assert not reaches(imports(path), ("ota_py.gateway", "ota_py.manager", "ota_py.server"))


@pytest.mark.parametrize("path", sources("server"), ids=relative)
def test_server_never_signs(path: Path):
    forbidden = (
        "ota_py.manager",
        "ota_py.gateway",
        "ota_py.trust.keys.signers",
        "ota_py.trust.repository.repository",
        "ota_py.trust.publish",
    )
    assert not reaches(imports(path), forbidden)


@pytest.mark.parametrize("path", sources("manager"), ids=relative)
def test_manager_reaches_the_control_plane_by_http_only(path: Path):
    if relative(path) not in MANAGER_MAY_IMPORT_SERVER:
        assert not reaches(imports(path), ("ota_py.server", "ota_py.gateway", "django"))


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_touch_nothing(name: str):
    path = PACKAGE / name
    assert not reaches(imports(path), PURE_FORBIDDEN)
    calls = {
        n.func.id
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "exec", "eval"}


def test_only_three_modules_talk_to_docker():
    users = {relative(path) for path in sources("gateway") if reaches(imports(path), ("docker",))}
    assert users <= {"gateway/docker/compose.py", "gateway/docker/image_pins.py", "gateway/docker/images.py"}


@pytest.mark.parametrize("side", ["gateway", "manager", "server"])
def test_one_module_spawns_processes(side: str):
    users = {relative(path) for path in sources(side) if reaches(imports(path), ("subprocess", "multiprocessing"))}
    assert len(users) <= 1, users


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


def test_the_walls_are_not_vacuous():
    assert len(list(sources("gateway"))) > 10
    assert len(list(sources("server"))) > 10
    assert "tuf.ngclient" in imports(PACKAGE / "trust/fetch/client.py")
