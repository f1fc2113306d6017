"""A Compose project as Compose itself resolves it, and what differs between two of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

_SHARED_PARTS = ("networks", "volumes", "configs", "secrets")


@dataclass(frozen=True)
class ServiceChanges:
    """The changes of an update to the services of a gateway, by service name.

    Attributes:
        changed: to be replaced; also services that are new.
        added: new with the update.
        removed: not in the new project any more.
    """

    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MountSource:
    """The mount behind a path in a container.

    Attributes:
        kind: `bind` or `volume`; source: the path on the gateway, or the volume's key, if it has one.
        rest: the path below the source.
    """

    kind: str
    source: str
    rest: str


class Project:
    """The document that `docker compose config --format json` prints. Holds secrets: never store it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    @property
    def name(self) -> str:
        """The project's name, the prefix of its containers."""
        return str(self._document["name"])

    @property
    def top(self) -> dict[str, Any]:
        """The whole document, by its top-level elements."""
        return self._document

    @property
    def services(self) -> list[str]:
        """The services that run (those of inactive profiles do not count), sorted."""
        return sorted(self._document.get("services") or {})

    def service(self, service: str) -> dict[str, Any]:
        """The resolved settings of a service."""
        return dict(self._document["services"][service])

    def shared(self, part: str) -> dict[str, Any]:
        """A shared section of the project, by key: `networks`, `volumes`, `configs` or `secrets`."""
        return dict(self._document.get(part) or {})

    def image(self, service: str) -> str:
        """The image reference of a service, or an empty string where it is built."""
        return str(self.service(service).get("image") or "")

    def environment(self, service: str) -> dict[str, str | None]:
        """The variables of a service, those of its environment files among them."""
        found = self.service(service).get("environment") or {}
        # Compose doubles each dollar, so that its output could be read as a Compose file.
        return {name: value and str(value).replace("$$", "$") for name, value in found.items()}

    def secret_files(self) -> list[Path]:
        """The files of the project's secrets."""
        found = ((body or {}).get("file") for body in self.shared("secrets").values())
        return [Path(str(path)) for path in found if path]

    def replicas(self, service: str) -> int:
        """The number of containers that a service is to have."""
        data = self.service(service)
        scale = data.get("scale", (data.get("deploy") or {}).get("replicas"))
        return 1 if scale is None else int(scale)

    def volume_name(self, key: str) -> str | None:
        """Docker's name of a volume of the project, or None where there is no such volume."""
        volumes = self.shared("volumes")
        return str((volumes[key] or {}).get("name") or f"{self.name}_{key}") if key in volumes else None

    def writers_of(self, volume: str) -> list[str]:
        """The services that mount a volume of the project writable."""
        return [
            name
            for name in self.services
            if any(m["type"] == "volume" and m.get("source") == volume for m in self._writable(name))
        ]

    def written_paths(self, service: str) -> set[str]:
        """Paths on the gateway that a service mounts writable."""
        volumes = self.shared("volumes")
        paths = set()
        for mount in self._writable(service):
            source = mount.get("source")
            if mount["type"] == "bind":
                paths.add(str(source))
            elif mount["type"] == "volume" and source in volumes:
                device = ((volumes[source] or {}).get("driver_opts") or {}).get("device")
                paths |= {str(device)} if device and str(device).startswith("/") else set()
        return paths

    def source_of(self, service: str, path: str) -> MountSource | None:
        """The mount behind a path in the container of a service; None where nothing is mounted over the path."""
        if service not in self.services:
            return None
        fit = [m for m in self._mounts(service) if PurePosixPath(path).is_relative_to(m.get("target") or "-")]
        if not fit:
            return None
        mount = max(fit, key=lambda mount: len(PurePosixPath(mount["target"]).parts))
        rest = PurePosixPath(path).relative_to(mount["target"])
        return MountSource(str(mount["type"]), str(mount.get("source") or ""), str(rest))

    def files_of(self, service: str) -> set[str]:
        """Paths on the gateway that a service mounts: bind mounts, configs and secrets."""
        paths = self._mounted(service, "bind")
        for part in ("configs", "secrets"):
            definitions = self.shared(part)
            for used in self.service(service).get(part) or []:
                path = (definitions.get(used.get("source")) or {}).get("file")
                paths |= {str(path)} if path else set()
        return paths

    def mount_sources(self, service: str) -> dict[str, str]:
        """Paths on the gateway that a service mounts, by where they are in the container."""
        volumes, found = self.shared("volumes"), {}
        for mount in self._mounts(service):
            source = str(mount.get("source") or "")
            if mount.get("type") == "volume":
                options = (volumes.get(source) or {}).get("driver_opts") or {}
                source = str(options.get("device") or "")
            if mount.get("type") in ("bind", "volume") and source.startswith("/"):
                found[str(mount.get("target"))] = source
        for part, below in (("configs", "/"), ("secrets", "/run/secrets")):
            for used in self.service(service).get(part) or []:
                if path := (self.shared(part).get(used.get("source")) or {}).get("file"):
                    found[str(PurePosixPath(below, used.get("target") or used.get("source")))] = str(path)
        return found

    def start_order(self, services: Collection[str]) -> list[list[str]]:
        """Services in groups, each after those that it depends on."""
        left, groups = set(services), []
        while left:
            ready = sorted(name for name in left if not (self._needs(name) & left) - {name}) or sorted(left)
            groups.append(ready)
            left -= set(ready)
        return groups

    def _needs(self, service: str) -> set[str]:
        needed = self.service(service).get("depends_on") or {} if service in self.services else {}
        return set(needed)

    def fingerprint(self, service: str) -> str:
        """The settings of a service and of the shared sections that it uses, as comparable text."""
        shared = {part: self.shared(part) for part in _SHARED_PARTS}
        used = {
            "networks": set(self.service(service).get("networks") or {}),
            "volumes": self._mounted(service, "volume"),
            "configs": {item.get("source") for item in self.service(service).get("configs") or []},
            "secrets": {item.get("source") for item in self.service(service).get("secrets") or []},
        }
        context = {
            part: {name: value for name, value in shared[part].items() if name in used[part]} for part in _SHARED_PARTS
        }
        return json.dumps([self.service(service), context], sort_keys=True)

    def _mounts(self, service: str) -> list[dict[str, Any]]:
        return list(self.service(service).get("volumes") or [])

    def _writable(self, service: str) -> list[dict[str, Any]]:
        return [mount for mount in self._mounts(service) if not mount.get("read_only")]

    def _mounted(self, service: str, kind: str) -> set[str]:
        mounts = self._mounts(service)
        return {str(mount["source"]) for mount in mounts if mount.get("type") == kind and mount.get("source")}


def compare(old: Project, new: Project, written: Collection[Path]) -> ServiceChanges:
    """The changes of services that lead from one project to another.

    Args:
        written: files on the gateway whose bytes the update changes. Compose does not look into a
            mounted file, so a service that mounts one of them is replaced because of it.
    """
    before, after = set(old.services), set(new.services)
    changed = {
        service
        for service in after
        if service not in before
        or old.fingerprint(service) != new.fingerprint(service)
        or _mounts_any(new.files_of(service), written)
    }
    return ServiceChanges(sorted(changed), sorted(after - before), sorted(before - after))


def _mounts_any(mounted: set[str], written: Collection[Path]) -> bool:
    return any(path.is_relative_to(mount) for mount in mounted for path in written)
