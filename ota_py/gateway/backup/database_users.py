"""The users of a database: services that stop while it is restored; all others run on. Pure.

In doubt a service counts as a user: one that runs on and writes would spoil what is restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ota_py.gateway.config.model import DatabaseConfig
from ota_py.gateway.docker.project import Project

_SHARED_NAMESPACES = ("network_mode", "pid", "ipc")


@dataclass(frozen=True)
class _ServiceMount:
    service: str
    kind: str
    source: str
    target: Path


def users_of(section: DatabaseConfig, project: Project, project_dir: Path) -> set[str]:
    """The services that may read or write a database."""
    services = set(project.services)
    borrowers = {name for name in services if project.service(name).get("volumes_from")}
    if section.type in ("postgresql", "mysql"):
        return _clients(str(section.service), project)
    if section.type == "volume":
        return borrowers | set(project.writers_of(str(section.name)))
    assert section.path is not None
    mounts = list(_mounts(project))
    if section.type == "sqlite" and section.service is not None:
        return borrowers | _sharing(section.service, section.path, mounts)
    found = _seeing(project_dir / section.path, mounts)
    # A path that no service mounts by that name may be a volume, seen from outside.
    return borrowers | found if found else services


def with_dependents(names: set[str], project: Project) -> set[str]:
    """The named services, and those in a namespace of one of them, which cannot outlive its stop."""
    found = set(names)
    while True:
        more = {
            name
            for name in project.services
            for key in _SHARED_NAMESPACES
            if str(project.service(name).get(key) or "").partition("service:")[2] in found
        }
        if more <= found:
            return found
        found |= more


def _clients(server: str, project: Project) -> set[str]:
    """Services that can reach a server: by a shared network, from the gateway's own, or by a published port."""
    if server not in project.services:
        return set(project.services)
    body = project.service(server)
    if body.get("network_mode") or body.get("ports"):
        return {name for name in project.services if project.service(name).get("network_mode") != "none"}
    networks = set(body.get("networks") or {})
    return {
        name
        for name in project.services
        if name == server
        or str(project.service(name).get("network_mode") or "none") != "none"
        or networks & set(project.service(name).get("networks") or {})
    }


def _sharing(service: str, path: Path, mounts: list[_ServiceMount]) -> set[str]:
    """Services that share the mount which holds `path` in the container of `service`, that service included."""
    holding = [m for m in mounts if m.service == service and path.is_relative_to(m.target)]
    if not holding:
        return {service}  # within its container
    mount = max(holding, key=lambda m: len(m.target.parts))
    if mount.kind == "volume":
        return {service} | {m.service for m in mounts if (m.kind, m.source) == ("volume", mount.source)}
    return {service} | _seeing(Path(mount.source) / path.relative_to(mount.target), mounts)


def _seeing(path: Path, mounts: list[_ServiceMount]) -> set[str]:
    """Services that mount a directory of the gateway which holds `path`, or lies in or beside it."""
    place = path.parent
    return {
        m.service
        for m in mounts
        if m.kind == "bind" and (place.is_relative_to(m.source) or Path(m.source).is_relative_to(place))
    }


def _mounts(project: Project) -> Iterator[_ServiceMount]:
    for name in project.services:
        for mount in project.service(name).get("volumes") or []:
            source, target = str(mount.get("source") or ""), Path(str(mount.get("target") or "/"))
            yield _ServiceMount(name, str(mount.get("type")), source, target)
