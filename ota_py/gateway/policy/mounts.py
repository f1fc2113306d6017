"""Paths of the gateway that are mounted into containers: where they lead to, and who may change that."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ota_py.gateway.docker.project import Project
from ota_py.gateway.policy import harmless
from ota_py.gateway.policy.rules import GatewayDirectories, Permission, PolicyRequest, mount_grant

SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock")


@dataclass(frozen=True)
class MountedPath:
    """A path of this machine that a service sees, and whether it may write there."""

    path: str
    writes: bool


def behind(options: Mapping[str, Any]) -> MountedPath | None:
    """The path that a volume of the local driver with these options is a bind mount of.

    The kernel binds whatever `type` says, once `o` says so. None where they are something else, or where more
    is said than which path, so that only the options as a whole can be granted.
    """
    flags = str(options.get("o") or "").split(",")
    device = str(options.get("device") or "")
    if not {"bind", "rbind"} & set(flags) or set(options) - {"type", "o", "device"}:
        return None
    if not device.startswith("/") or not all(harmless.BIND_OPTION.fullmatch(flag) for flag in flags):
        return None
    return MountedPath(device, True)  # whoever mounts the volume says whether it only reads


def is_memory(options: Mapping[str, Any]) -> bool:
    """Whether a volume with these options is a file system in memory, and nothing else."""
    flags = [flag for flag in str(options.get("o") or "").split(",") if flag]
    return (
        options.get("type") == "tmpfs"
        and options.get("device") in ("tmpfs", "none", "", None)
        and not set(options) - {"type", "o", "device"}
        and all(harmless.TMPFS_OPTION.fullmatch(flag) for flag in flags)
    )


def judge(
    service: str, mount: MountedPath, places: GatewayDirectories, own_files: Collection[Path] = ()
) -> Iterator[PolicyRequest]:
    """What it means that a service is given a path."""
    if not mount.path.startswith("/"):
        yield PolicyRequest(Permission.MOUNTS, service, mount.path)
        return
    plain, real = Path(os.path.normpath(mount.path)), Path(os.path.realpath(mount.path))
    sockets = {Path(os.path.realpath(socket)) for socket in _sockets()}
    if any(socket.is_relative_to(real) for socket in sockets) or str(plain) in SOCKETS:
        yield PolicyRequest(Permission.DOCKER_SOCKET, service, f"{plain}, the Docker socket", "docker socket")
        if real in sockets or str(plain) in SOCKETS:
            return
    grant = mount_grant(str(real), writes=mount.writes)
    what = f"writing to {plain}" if mount.writes else str(plain)
    if mount.writes and any(file.is_relative_to(path) for file in own_files for path in (plain, real)):
        what = f"{what}, which has files that Compose reads"
        yield PolicyRequest(Permission.MOUNTS, service, what, grant, str(real), is_own=True)
    elif places.touches_protected(real):
        yield PolicyRequest(Permission.MOUNTS, service, what, grant, str(real), is_own=True)
    elif not real.is_relative_to(places.project):
        yield PolicyRequest(Permission.MOUNTS, service, what, grant, str(real))


def judge_parts(
    service: str, mount: MountedPath, mounted: Mapping[str, Sequence[MountedPath]], places: GatewayDirectories
) -> Iterator[PolicyRequest]:
    """Refuse a path of which another mount holds a part that can be written there, and be made a link.

    Args:
        mounted: the paths of each service.
    """
    forms = _forms(mount.path)
    for writer, paths in sorted(mounted.items()):
        for other in paths:
            above = [form for form in _forms(other.path) if any(form in path.parents for path in forms)]
            # Who was granted a directory that holds the project has this software, too.
            above = [form for form in above if form not in places.project.parents]
            if other.writes and above:
                what = f"{mount.path}, a part of which the service {writer} can replace, as it writes to {above[0]}"
                yield PolicyRequest(Permission.OTHER, service, what, f"mount: {mount.path} below {above[0]}")


def judged(project: Project) -> dict[str, dict[str, str]]:
    """Where each mounted path of each service leads to now, by its place in the container."""
    return {
        service: {target: os.path.realpath(source) for target, source in project.mount_sources(service).items()}
        for service in project.services
        if project.mount_sources(service)
    }


def can_change(project: Project) -> bool:
    """Whether a service can replace a part of a path that one mounts: granted, or given before."""
    written = [Path(path) for name in project.services for path in project.written_paths(name)]
    forms = {form for path in written for form in _forms(str(path))}
    sources = [source for name in project.services for source in project.mount_sources(name).values()]
    return any(form in path.parents for source in sources for path in _forms(source) for form in forms)


def _forms(path: str) -> set[Path]:
    return {Path(os.path.normpath(path)), Path(os.path.realpath(path))} if path.startswith("/") else set()


def _sockets() -> list[str]:
    kind, _, path = os.environ.get("DOCKER_HOST", "").partition("://")
    return [*SOCKETS, *([path] if kind == "unix" else [])]
