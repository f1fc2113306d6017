"""Wheelhouses of this very project, in seconds and with no network: for tests on this machine.

The gateway software is packed as it stands in the sources; what it depends on is found where the tests have
it.
"""

from __future__ import annotations

import ensurepip
import shutil
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ota_py.architectures import this_architecture
from ota_py.gateway.selfupdate.installation import COMPLETE
from ota_py.manager.release import wheelhouse
from tests.support.paths import ROOT

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = this_architecture()
METADATA = "Metadata-Version: 2.1\nName: ota-py\nVersion: {version}\nProvides-Extra: gateway\n"
PACKAGE = '"""Packed by a test."""\n\n__version__ = "{version}"\n'
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make(directory: Path, version: str, patch: str = "", module: str = "agent/loop") -> Path:
    """Pack this project as `version`.

    Args:
        patch: lines added to the end of `ota_py/gateway/MODULE.py`.

    Returns:
        The archive; its build is `VERSION-test`.
    """
    wheels = directory / f"wheels-{version}"
    wheels.mkdir(parents=True)
    shutil.copy(_pip(), wheels)
    _own_wheel(wheels / f"ota_py-{version}-py3-none-any.whl", version, {f"ota_py/gateway/{module}.py": patch})
    described = {
        "name": f"{version}-test",
        "version": version,
        "python": PYTHON,
        "architecture": ARCHITECTURE,
    }
    archive = directory / f"{version}.tar"
    wheelhouse.pack(wheels, ROOT, described, archive)
    return archive


def derive(venv: Path, other: Path, version: str, patch: str = "") -> None:
    """Make the virtual environment of another version from one that pip made: the same, and quicker."""
    shutil.copytree(venv, other, symlinks=True)
    (package,) = other.glob("lib/python*/site-packages/ota_py")
    (package / "__init__.py").write_text(PACKAGE.format(version=version))
    with open(package / "gateway" / "agent" / "loop.py", "a") as file:
        file.write(patch)
    (other / COMPLETE).write_text(f"{other.name}\n")


def _own_wheel(path: Path, version: str, patches: dict[str, str]) -> None:
    info = f"ota_py-{version}.dist-info"
    contents = {
        # Python adds the directories that a .pth file names: here those of the tests' own environment.
        "dependencies.pth": sysconfig.get_path("purelib") + "\n",
        f"{info}/METADATA": METADATA.format(version=version),
        f"{info}/WHEEL": WHEEL,
    }
    for source in _sources():
        name = source.relative_to(ROOT).as_posix()
        contents[name] = source.read_text() + patches.get(name, "")
    contents["ota_py/__init__.py"] = PACKAGE.format(version=version)
    contents[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*contents, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in contents.items():
            wheel.writestr(name, text)


def _sources() -> Iterator[Path]:
    yield from sorted((ROOT / "ota_py").glob("*.py"))
    for part in wheelhouse.GATEWAY_PARTS:
        yield from sorted((ROOT / "ota_py" / part).rglob("*.py"))


def _pip() -> Path:
    places = [Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")]
    return next(wheel for place in places for wheel in sorted(place.glob("pip-*.whl")))


def archive(
    directory: Path,
    python: str = "3.13",
    architecture: str = "amd64",
    version: str = "0.2.0",
    size: int = 4000,
) -> str:
    """A wheelhouse that nobody installs, with a wheel of so many bytes."""
    wheels = directory / f"wheels-{python}-{architecture}-{version}"
    wheels.mkdir()
    (wheels / "pip-26.0-py3-none-any.whl").write_bytes(b"pip")
    (wheels / f"ota_py-{version}-py3-none-any.whl").write_bytes(b"ours" * (size // 4))
    described = {
        "name": f"{version}-s{python}{architecture}",
        "version": version,
        "python": python,
        "architecture": architecture,
    }
    path = directory / f"{wheels.name}.tar"
    wheelhouse.pack(wheels, ROOT, described, path)
    return str(path)
