"""The wheelhouse, built by the operator: packages from which a gateway's virtual environment is installed.

A gateway needs no package index. `python -m ota_py.manager.release.wheelhouse --out DIR` downloads the
pinned wheels for the gateways' Python and architecture, builds the project's own, and packs them as one file, with the
commands that belong to them and a description. What was built from the same sources before is used again.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from ota_py import __version__, durable
from ota_py import cli as boundary
from ota_py.architectures import BY_MACHINE, WHEEL_MACHINES
from ota_py.errors import CarrierError, UsageError
from ota_py.manager.system.checkout import project_root
from ota_py.manager.system.processes import run_command

ARCHIVE = "wheelhouse.tar"
DESCRIPTION = "wheelhouse.json"
# What people and programs start on a gateway; `commands/` of the archive.
COMMANDS = ("ota_client.py", "ota-helper.sh")
# Oldest first: a wheel for an older C library also runs on a newer one.
PLATFORM_TAGS = ("manylinux2014_{0}", "manylinux_2_17_{0}", "manylinux_2_28_{0}", "manylinux_2_31_{0}")
TAIL_CHARS = 1500
# What a gateway runs of `ota_py`, beside its top level; operator's and server's parts stay away.
GATEWAY_PARTS = ("contract", "gateway", "text", "trust")


def build(out: Path, python: str, architecture: str) -> tuple[Path, str, bool]:
    """Build the wheelhouse for a Python and an architecture unless it is there.

    Args:
        out: directory of wheelhouses; each is `out/VERSION/wheelhouse.tar`.
        python: the gateways' Python, for example `3.13`.
        architecture: as `uname -m` prints it on a gateway.

    Returns:
        The archive, the version that names its virtual environment, and whether it was built now.

    Raises:
        CarrierError: the package index gave no wheel for this Python and architecture.
        ConfigError: the project's sources are not here.
    """
    root = project_root()
    version = f"{__version__}-{_fingerprint(root, python, architecture)}"
    archive = out / version / ARCHIVE
    if archive.exists():
        return archive, version, False
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".building-") as name:
        wheels = Path(name) / "wheels"
        _build_own(root, Path(name) / "source", wheels)
        _download(root, wheels, python, architecture)
        description = {
            "name": version,
            "version": __version__,
            "python": python,
            "architecture": BY_MACHINE[architecture],
        }
        pack(wheels, root, description, archive)
    return archive, version, True


def _fingerprint(root: Path, python: str, architecture: str) -> str:
    digest = hashlib.sha256(f"{python} {architecture}".encode())
    for path in _sources(root):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    # A letter first: digits alone could make it no semantic version.
    return f"s{digest.hexdigest()[:12]}"


def _sources(root: Path) -> Iterator[Path]:
    package = root / "ota_py"
    files = [path for part in GATEWAY_PARTS for path in (package / part).rglob("*") if path.is_file()]
    files += [path for path in package.iterdir() if path.is_file()]
    yield from sorted(path for path in files if "__pycache__" not in path.parts)
    yield root / "pyproject.toml"
    yield root / "requirements.txt"
    yield from (root / name for name in COMMANDS)


def _build_own(root: Path, source: Path, wheels: Path) -> None:
    # From a copy: setuptools leaves build directories beside what it builds.
    for path in _sources(root):
        copy = source / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(source))


def _download(root: Path, wheels: Path, python: str, architecture: str) -> None:
    constraints = wheels.parent / "constraints.txt"
    # The pins are a requirements file; constraints are the same without extras.
    constraints.write_text(re.sub(r"\[[^\]]*\]", "", (root / "requirements.txt").read_text()))
    tags = [tag.format(architecture) for tag in PLATFORM_TAGS]
    _pip(
        "download",
        *("--python-version", python, "--only-binary=:all:", "--constraint", str(constraints)),
        *(word for tag in tags for word in ("--platform", tag)),
        *("--dest", str(wheels)),
        *_gateway_requirements(root),
        # Carried along, so that the virtual environment is made without unpacking a pip of its own.
        "pip",
    )


def _gateway_requirements(root: Path) -> list[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["gateway"]]


def _pip(*arguments: str) -> None:
    argv = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    done = run_command(argv)
    if done.returncode:
        raise CarrierError(
            f"pip {arguments[0]} failed: {done.stderr.strip()[-TAIL_CHARS:]}",
            hint="check the connection to the package index, and --python and --architecture",
        )


def pack(wheels: Path, commands: Path, description: dict[str, str], archive: Path) -> None:
    """Write a wheelhouse.

    Args:
        wheels: directory of the wheels, pip's among them.
        commands: directory of the files of `COMMANDS`.
        description: name, version, python and architecture, as the manifest has them.
        archive: the file to write.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".part")
    with durable.replacing(archive, draft=unfinished) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for wheel in sorted(wheels.iterdir()):
            tar.add(wheel, arcname="pip.whl" if wheel.name.startswith("pip-") else wheel.name)
        for name in COMMANDS:
            tar.add(commands / name, arcname=f"commands/{name}")
        raw = json.dumps(description, sort_keys=True).encode()
        entry = tarfile.TarInfo(DESCRIPTION)
        entry.size = len(raw)
        tar.addfile(entry, io.BytesIO(raw))


def describe(archive: Path) -> dict[str, str]:
    """Name, version, python and architecture of a wheelhouse.

    Raises:
        UsageError: it is not one.
    """
    try:
        with tarfile.open(archive) as tar:
            file = tar.extractfile(DESCRIPTION)
            found: dict[str, object] = json.load(file) if file else {}
        return {key: str(found[key]) for key in ("name", "version", "python", "architecture")}
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{archive} is not a wheelhouse: {error}",
            hint="build one with: python -m ota_py.manager.release.wheelhouse --out DIR",
        ) from None


def check_python(text: str) -> None:
    """Check that a text is a Python version.

    Raises:
        UsageError: not of the form 3.13.
    """
    if not re.fullmatch(r"3\.[0-9]{1,2}", text):
        raise UsageError(f"--python {text[:20]!r} is not a Python version", hint="for example 3.13")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory of wheelhouses.")
@click.option("--python", default="3.13", show_default=True, help="The gateways' Python.")
@click.option(
    "--architecture",
    type=click.Choice(list(WHEEL_MACHINES.values())),
    default="x86_64",
    show_default=True,
    help="uname -m",
)
@boundary.json_option
def command(out: Path, python: str, architecture: str, as_json: bool) -> None:
    """Build the wheelhouse that gateways are installed from, for one Python and architecture."""
    check_python(python)
    archive, version, built = build(out.absolute(), python, architecture)
    if as_json:
        boundary.echo_json({"archive": str(archive), "version": version, "changed": built})
    else:
        click.echo(f"{'built' if built else 'there already'}: {archive}")


main = boundary.main(command)

if __name__ == "__main__":
    main()
