"""The requests of a resolved Compose project beyond what is known to be harmless."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from ota_py.gateway.docker.project import Project
from ota_py.gateway.policy import harmless, mounts
from ota_py.gateway.policy.mounts import MountedPath
from ota_py.gateway.policy.rules import GatewayDirectories, Permission, PolicyRequest
from ota_py.hashes import sha256_of

DETAIL_MAX_CHARS = 160
_HOST_NETWORK_DRIVERS = ("host", "macvlan", "ipvlan")

Rule = Callable[[Project, str], Iterator[PolicyRequest]]


def of_project(project: Project, places: GatewayDirectories, own_files: Collection[Path] = ()) -> set[PolicyRequest]:
    """The requests of all services of a project. Reads links of the file system, nothing else.

    Args:
        own_files: what Compose reads of the project: a service that writes there grants itself what it likes.
    """
    found = {PolicyRequest.of("", detail(*entry)) for entry in harmless.excess(harmless.TOP, project.top)}
    rules: tuple[Rule, ...] = (_keys, _privileged, _namespaces, _networks, _files, _host_programs)
    paths = {service: list(_paths(project, service, set(), found)) for service in project.services}
    for service in project.services:
        for rule in rules:
            found.update(rule(project, service))
        for path in paths[service]:
            found.update(mounts.judge(service, path, places, own_files))
            found.update(mounts.judge_parts(service, path, paths, places))
    return found


def detail(where: str, value: Any) -> str:
    """A key and a value as the text that grants them; of a long value its hash."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(", ", ": "))
    if len(text) > DETAIL_MAX_CHARS or not text.isprintable():
        text = f"sha256:{sha256_of(text.encode(errors='surrogatepass'))}"
    return f"{where}: {text}"


def _keys(project: Project, service: str) -> Iterator[PolicyRequest]:
    for where, value in harmless.excess(harmless.SERVICE, project.service(service)):
        if where == "devices" and isinstance(value, dict):
            value = ":".join(str(value.get(part) or "") for part in ("source", "target", "permissions"))
        yield PolicyRequest.of(service, detail(where, value))


def _privileged(project: Project, service: str) -> Iterator[PolicyRequest]:
    body = project.service(service)
    steps = [*(body.get("post_start") or []), *(body.get("pre_stop") or [])]
    if body.get("privileged") or any(step.get("privileged") for step in steps if isinstance(step, dict)):
        yield PolicyRequest(Permission.PRIVILEGED, service, "privileged", "privileged")


def _namespaces(project: Project, service: str) -> Iterator[PolicyRequest]:
    for key, known in harmless.NAMESPACE_VALUES.items():
        mode = _followed(project, service, key)
        if mode and mode not in known:
            yield PolicyRequest.of(service, f"{key}: {mode}")


def _followed(project: Project, service: str, key: str) -> str:
    """The mode of a namespace, where `service:NAME` stands for the mode of the other service."""
    mode, seen = str(project.service(service).get(key) or ""), {service}
    while mode.startswith("service:"):
        other = mode.partition(":")[2]
        if other in seen or other not in project.services:
            return ""
        seen.add(other)
        mode = str(project.service(other).get(key) or "")
    return mode


def _networks(project: Project, service: str) -> Iterator[PolicyRequest]:
    joined = project.service(service).get("networks") or {}
    for key, own in joined.items() if isinstance(joined, dict) else ():
        network = project.shared("networks").get(key) or {}
        where = f"networks.{key}"
        found = [*harmless.excess(harmless.NETWORK_OF_SERVICE, own or {}, where)]
        found += harmless.excess(harmless.NETWORK, network, where)
        yield from (PolicyRequest.of(service, detail(*entry)) for entry in found)
        yield from _foreign(project, service, "networks", key, network)


def _foreign(project: Project, service: str, part: str, key: str, body: dict[str, Any]) -> Iterator[PolicyRequest]:
    """The request to share a network or volume that is not this project's own, but has that name already."""
    name = str(body.get("name") or "")
    if body.get("external"):
        yield PolicyRequest.of(service, f"{part}.{key}.external: {name or key}")
    elif name not in ("", f"{project.name}_{key}"):
        yield PolicyRequest.of(service, f"{part}.{key}.name: {name}")


def _files(project: Project, service: str) -> Iterator[PolicyRequest]:
    """The requests of configs and secrets, but for their paths."""
    for part in ("configs", "secrets"):
        for used in project.service(service).get(part) or []:
            source = str(used.get("source"))
            body = project.shared(part).get(source) or {}
            where = f"{part}.{source}"
            found = [*harmless.excess(harmless.FILE_OF_SERVICE, used, where)]
            found += harmless.excess(harmless.FILE, body, where)
            yield from (PolicyRequest.of(service, detail(*entry)) for entry in found)


def _host_programs(project: Project, service: str) -> Iterator[PolicyRequest]:
    if project.service(service).get("use_api_socket"):
        yield PolicyRequest(Permission.DOCKER_SOCKET, service, "use_api_socket, the Docker socket", "docker socket")


def _paths(project: Project, service: str, seen: set[str], found: set[PolicyRequest]) -> Iterator[MountedPath]:
    """Paths of this machine that a service sees, also by `volumes_from`.

    Args:
        found: gets what is mounted, but is no path that can be judged.
    """
    seen.add(service)
    body = project.service(service)
    for mount in body.get("volumes") or []:
        target = f"volumes[{mount.get('target')}]"
        found.update(
            PolicyRequest.of(service, detail(*entry)) for entry in harmless.excess(harmless.MOUNT, mount, target)
        )
        kind, source = mount.get("type"), mount.get("source")
        if kind not in harmless.MOUNT_TYPES:
            found.add(PolicyRequest.of(service, detail(target, mount)))
        elif kind == "bind":
            yield MountedPath(str(source), not mount.get("read_only"))
        elif kind == "volume" and source:
            yield from _volume(project, service, str(source), bool(mount.get("read_only")), found)
    for part in ("configs", "secrets"):
        for used in body.get(part) or []:
            if path := (project.shared(part).get(used.get("source")) or {}).get("file"):
                yield MountedPath(str(path), False)
    for other in body.get("volumes_from") or []:
        name, _, mode = str(other).partition(":")
        if name == "container" or name not in project.services:
            found.add(PolicyRequest.of(service, f"volumes_from: {other}"))
        elif name not in seen:
            for path in _paths(project, name, seen, set()):
                yield MountedPath(path.path, path.writes and mode != "ro")


def _volume(project: Project, service: str, key: str, reads: bool, found: set[PolicyRequest]) -> Iterator[MountedPath]:
    """The path behind a volume, where its options make it one."""
    body = project.shared("volumes").get(key)
    if body is None and key not in project.shared("volumes"):
        found.add(PolicyRequest.of(service, f"volumes.{key}: not of this project"))
        return
    volume = dict(body or {})
    where = f"volumes.{key}"
    found.update(PolicyRequest.of(service, detail(*entry)) for entry in harmless.excess(harmless.VOLUME, volume, where))
    found.update(_foreign(project, service, "volumes", key, volume))
    options = volume.get("driver_opts") or {}
    path = mounts.behind(options) if volume.get("driver") in (None, "", "local") else None
    if path is not None:
        yield MountedPath(path.path, path.writes and not reads)
    elif options and not mounts.is_memory(options):
        found.add(PolicyRequest.of(service, detail(f"{where}.driver_opts", options)))
