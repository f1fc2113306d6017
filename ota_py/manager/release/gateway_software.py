"""The gateway software as a part of an update: one wheelhouse for each kind of gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ota_py.architectures import WHEEL_MACHINES, Architecture
from ota_py.errors import UsageError
from ota_py.hashes import sha256_of_file
from ota_py.manager.release import wheelhouse
from ota_py.manager.system.checkout import project_root
from ota_py.manifest import GatewaySoftware, Wheelhouse
from ota_py.strict_json import describe
from ota_py.trust import layout

# Where playbooks/provision.yml keeps them, too.
BUILD_DIRECTORY = Path("build") / "wheelhouse"
HINT = "use PYTHON/ARCHITECTURE, for example --agent 3.13/amd64, or the path of a wheelhouse.tar"


@dataclass(frozen=True)
class Software:
    """The gateway software's entry in the manifest, and its archives by target path."""

    agent: GatewaySoftware
    archives: dict[str, Path]

    @property
    def architectures(self) -> list[Architecture]:
        """The architectures that the gateway software can be installed on."""
        return sorted({entry.architecture for entry in self.agent.wheelhouses})


def collect(version: str, requested: Sequence[str], print_line: Callable[[str], None]) -> Software | None:
    """Build or take the wheelhouses that `--agent` requests.

    Args:
        version: of the update.
        requested: each `PYTHON/ARCHITECTURE`, to be built, or the path of an archive.

    Raises:
        UsageError: not one of these, or archives that are not of one version.
        CarrierError: the package index did not give what is needed to build.
    """
    archives = [_archive(text, print_line) for text in requested]
    if not archives:
        return None
    described = [wheelhouse.describe(archive) for archive in archives]
    versions = sorted({found["version"] for found in described})
    if len(versions) > 1:
        raise UsageError(
            f"the wheelhouses are of the versions {', '.join(versions)}, expected one",
            hint="build them from the same sources",
        )
    try:
        entries = [_entry(version, found, path) for found, path in zip(described, archives, strict=True)]
        agent = GatewaySoftware(version=versions[0], wheelhouses=entries)
    except ValidationError as error:
        raise UsageError(f"--agent cannot be used: {describe(error)}", hint=HINT) from None
    return Software(agent, {entry.target: path for entry, path in zip(entries, archives, strict=True)})


def _archive(text: str, print_line: Callable[[str], None]) -> Path:
    if Path(text).is_file():
        return Path(text)
    python, _, architecture = text.partition("/")
    if architecture not in WHEEL_MACHINES:
        raise UsageError(f"--agent {text[:100]!r} is neither a kind of gateway nor a file", hint=HINT)
    wheelhouse.check_python(python)
    archive, name, built = wheelhouse.build(project_root() / BUILD_DIRECTORY, python, WHEEL_MACHINES[architecture])
    print_line(f"{'built' if built else 'took'} the gateway software {name} for Python {python} on {architecture}")
    return archive


def _entry(version: str, described: dict[str, str], path: Path) -> Wheelhouse:
    return Wheelhouse.model_validate(
        {
            "name": described["name"],
            "architecture": described["architecture"],
            "python": described["python"],
            "target": layout.wheelhouse_path(version, described["name"]),
            "sha256": sha256_of_file(path),
            "length": path.stat().st_size,
        }
    )
