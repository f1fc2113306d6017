"""What is really mounted into containers, as the kernel tells it: a path may have become a link since it was judged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ota_py.errors import HealthError
from ota_py.gateway.docker.container import Container

# By service: the path on the gateway that each target in the container was judged as.
JudgedMounts = Mapping[str, Mapping[str, str]]
_DELETED = "//deleted"


@dataclass(frozen=True)
class _Mount:
    """A line of mountinfo: where it is, and what it shows: a file system by its number, and a path in it."""

    point: str
    device: str
    root: str


def check(containers: Sequence[Container], judged: JudgedMounts) -> None:
    """Compare what runs with what was judged.

    A container whose process cannot be seen from here, or has ended, is not compared.

    Raises:
        HealthError: something else is mounted into a container than what was judged.
    """
    own = list(_mounts(_read(Path("/proc/self/mountinfo"))))
    for container in containers:
        for problem in _problems(container, judged.get(container.service, {}), own):
            raise HealthError(problem, failing_service=container.service)


def moved(judged: JudgedMounts, sources: JudgedMounts) -> str:
    """The first source of a mount that leads elsewhere than when it was judged; empty where none does.

    Args:
        sources: by service, the path that the Compose file has for each target.
    """
    for service, targets in sources.items():
        for target, source in targets.items():
            expected = judged.get(service, {}).get(target)
            real = str(Path(source).resolve())
            if expected is not None and real != expected:
                return (
                    f"{source}, which {service} mounts, leads to {real} now, and led to {expected} when it was judged"
                )
    return ""


def _problems(container: Container, judged: Mapping[str, str], own: Sequence[_Mount]) -> Iterator[str]:
    text = _read(Path(f"/proc/{container.pid}/mountinfo")) if container.pid and judged else ""
    if container.id not in text:  # its files of names lie under its id: this is its process, and no other's
        return
    mounted = list(_mounts(text))
    for target in sorted(str(mount.destination) for mount in container.mounts):
        path = judged.get(target)
        expected = _shown(path, own) if path else None
        if expected is None:
            continue
        # The last one covers those before it; none where a link of the image leads the target elsewhere.
        there = [mount for mount in mounted if mount.point == target][-1:] or mounted
        if not any((m.device, m.root.removesuffix(_DELETED)) == (expected.device, expected.root) for m in there):
            yield (
                f"the service {container.service} has something else than {path} mounted at {target}: "
                "it became a link, or was replaced, after it was judged"
            )


def _shown(path: str, own: Sequence[_Mount]) -> _Mount | None:
    """The file system and the path in it that a path of this machine is."""
    above = [mount for mount in own if Path(path).is_relative_to(mount.point)]
    if not above:
        return None
    mount = max(reversed(above), key=lambda mount: len(Path(mount.point).parts))
    root = Path(mount.root) / Path(path).relative_to(mount.point)
    return _Mount(path, mount.device, str(root))


def _mounts(text: str) -> Iterator[_Mount]:
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) > 5:
            yield _Mount(_plain(fields[4]), fields[2], _plain(fields[3]))


def _plain(field: str) -> str:
    """A field without the kernel's escapes for spaces and the like."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""
