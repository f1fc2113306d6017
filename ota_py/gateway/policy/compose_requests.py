"""The requests of a resolved Compose project: what its services need beyond a plain container."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ota_py.gateway.docker.project import Project
from ota_py.gateway.policy.rules import Ask, GatewayDirectories, Permission

SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock")
_HOST_NETWORK_DRIVERS = ("host", "macvlan", "ipvlan")
# Volumes that a driver option cannot turn into a piece of this machine.
_REMOTE_OR_MEMORY = ("tmpfs", "nfs", "nfs4", "cifs")
_NAMESPACES = ("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup")
# Options that take a right away instead of giving one.
_HARMLESS_SECURITY = ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")

Rule = Callable[[Project, str], Iterator[Ask]]


def of_project(project: Project, places: GatewayDirectories) -> set[Ask]:
    """The requests of all services of a project. Reads links of the file system, nothing else."""
    rules: tuple[Rule, ...] = (_privileged, _namespaces, _capabilities, _build, _host_programs)
    found: set[Ask] = set()
    for service in project.services:
        for rule in rules:
            found.update(rule(project, service))
        for path, writes in _mounts(project, service, set()):
            found.update(_judge_mount(service, path, writes, places))
    return found


def of_path(service: str, path: str, places: GatewayDirectories) -> set[Ask]:
    """The requests that follow where a service may read the file `path` of this machine."""
    return set(_judge_mount(service, path, False, places))


def _privileged(project: Project, service: str) -> Iterator[Ask]:
    body = project.service(service)
    steps = [*(body.get("post_start") or []), *(body.get("pre_stop") or [])]
    if body.get("privileged") or any(step.get("privileged") for step in steps):
        yield Ask(Permission.PRIVILEGED, service, "privileged")


def _namespaces(project: Project, service: str) -> Iterator[Ask]:
    for key in _NAMESPACES:
        mode = _followed(project, service, key)
        if mode == "host" or mode.startswith("container:"):
            yield Ask(Permission.NAMESPACES, service, f"{key}: {mode}")
    networks = project.shared("networks")
    for key in project.service(service).get("networks") or {}:
        network = networks.get(key) or {}
        if network.get("name") == "host" or network.get("driver") in _HOST_NETWORK_DRIVERS:
            kind = network.get("driver") or "host"
            yield Ask(Permission.NAMESPACES, service, f"the {kind} network {key}")


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


def _capabilities(project: Project, service: str) -> Iterator[Ask]:
    body = project.service(service)
    for name in body.get("cap_add") or []:
        yield Ask(Permission.CAPABILITIES, service, f"cap_add: {name}")
    for device in body.get("devices") or []:
        source = device.get("source") if isinstance(device, dict) else device
        yield Ask(Permission.CAPABILITIES, service, f"the device {source}")
    for rule in body.get("device_cgroup_rules") or []:
        yield Ask(Permission.CAPABILITIES, service, f"device_cgroup_rules: {rule}")
    reserved = ((body.get("deploy") or {}).get("resources") or {}).get("reservations") or {}
    if body.get("gpus") or reserved.get("devices"):
        yield Ask(Permission.CAPABILITIES, service, "reserved devices")
    for option in body.get("security_opt") or []:
        if option not in _HARMLESS_SECURITY:
            yield Ask(Permission.CAPABILITIES, service, f"security_opt: {option}")


def _build(project: Project, service: str) -> Iterator[Ask]:
    if project.service(service).get("build"):
        yield Ask(Permission.BUILD, service, "build")


def _host_programs(project: Project, service: str) -> Iterator[Ask]:
    body = project.service(service)
    if body.get("provider"):
        yield Ask(Permission.HOST_COMMANDS, service, "a provider, which is a program on the gateway itself")
    if body.get("use_api_socket"):
        yield Ask(Permission.DOCKER_SOCKET, service, "use_api_socket, the Docker socket")


def _mounts(project: Project, service: str, seen: set[str]) -> Iterator[tuple[str, bool]]:
    """Paths of this machine that a service sees, also by `volumes_from`, and whether it may write there.

    Something that is a mount, but of no path that could be allowed, comes as text without a leading slash.
    """
    seen.add(service)
    body = project.service(service)
    volumes = project.shared("volumes")
    for mount in body.get("volumes") or []:
        if mount.get("type") == "bind":
            yield str(mount["source"]), not mount.get("read_only")
        elif mount.get("type") == "volume" and mount.get("source") in volumes:
            yield from _behind_volume(str(mount["source"]), volumes[mount["source"]] or {})
    for part in ("configs", "secrets"):
        for used in body.get(part) or []:
            if path := (project.shared(part).get(used.get("source")) or {}).get("file"):
                yield str(path), False
    for other in body.get("volumes_from") or []:
        name = str(other).partition(":")[0]
        if str(other).startswith("container:"):
            yield f"the mounts of another container ({other})", True
        elif name in project.services and name not in seen:
            yield from _mounts(project, name, seen)


def _behind_volume(key: str, volume: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """The mount behind a volume of the local driver with options, and whether it is writable."""
    options = volume.get("driver_opts") or {}
    if volume.get("driver") not in (None, "", "local") or not options:
        return
    if str(options.get("type")) in _REMOTE_OR_MEMORY:
        return
    device = str(options.get("device") or "")
    if "bind" in str(options.get("o") or "").split(",") and device.startswith("/"):
        yield device, True
    else:
        yield f"the volume {key} with driver_opts of its own", True


def _judge_mount(service: str, path: str, writes: bool, places: GatewayDirectories) -> Iterator[Ask]:
    if not path.startswith("/"):
        yield Ask(Permission.MOUNTS, service, path)
        return
    plain, real = Path(os.path.normpath(path)), Path(os.path.realpath(path))
    sockets = {Path(os.path.realpath(socket)) for socket in _sockets()}
    if any(socket.is_relative_to(real) for socket in sockets) or str(plain) in SOCKETS:
        yield Ask(Permission.DOCKER_SOCKET, service, f"{plain}, the Docker socket")
        if real in sockets or str(plain) in SOCKETS:
            return
    if real.is_relative_to(places.project) and not places.touches_protected(real):
        return
    yield Ask(Permission.MOUNTS, service, str(plain), str(real))
    if writes:
        yield Ask(Permission.MOUNTS, service, f"writing to {plain}", str(real))


def _sockets() -> list[str]:
    kind, _, path = os.environ.get("DOCKER_HOST", "").partition("://")
    return [*SOCKETS, *([path] if kind == "unix" else [])]
