"""A simulated Docker daemon at its lowest boundary: what `docker.APIClient` and its Compose plug-in do.

Its state is one file, so that it survives the death of the process under test, as the engine does. It has
the real one's intermediate states, each a point of its own: an image that is half here, the container of
Compose's recreate before it has its name, containers that are created and not started.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound
from requests.exceptions import ReadTimeout

from ota_py.gateway.docker.container import PROJECT_LABEL, SERVICE_LABEL
from ota_py.gateway.system import failpoints
from tests.crash.sim import registry as sim_registry
from tests.crash.sim.clock import EPOCH, SimClock

PROJECT = "sim"
HEALTHY_AFTER_SECONDS = 0.4
UNHEALTHY_AFTER_SECONDS = 0.8
STOP_SECONDS = 0.1

State = dict[str, Any]


class UnlimitedCall(BaseException):
    """A call that hangs was made without a time limit."""


class SimDocker:
    """The simulated Docker daemon.

    Args:
        directory: holds `docker.json`, its state, and `volumes/`.

    Attributes:
        armed: `hang` or `error`: what the next call meets.
    """

    def __init__(self, directory: Path, clock: SimClock) -> None:
        self.path = directory / "docker.json"
        self.volumes = directory / "volumes"
        self.clock = clock
        self.armed = ""
        self._lock = threading.RLock()
        self._state: State | None = None  # what is on the disk; nobody else writes there

    # -- state ----------------------------------------------------------------------------------------

    def read(self) -> State:
        """The state as it is now."""
        if self._state is None:
            self._state = json.loads(self.path.read_bytes()) if self.path.exists() else new_state()
        return self._state

    def forget(self) -> None:
        """Forget the state in memory, because the file was put back."""
        self._state = None

    @contextlib.contextmanager
    def change(self) -> Iterator[State]:
        """Change the state at once."""
        with self._lock:
            state, self._state = self.read(), None  # a change that raises is none
            yield state
            draft = self.path.with_suffix(".draft")
            draft.write_text(json.dumps(state))
            os.replace(draft, self.path)
            self._state = state

    def take_armed(self) -> str:
        """The fault that the present call is to meet; only once."""
        armed, self.armed = self.armed, ""
        return armed

    # -- what happens to containers -------------------------------------------------------------------

    def create(self, name: str, service: str, reference: str, settings: State) -> str:
        """Create a container; returns its id."""
        with self.change() as state:
            image = find_image(state, reference)
            if image is None:
                raise NoSuchImageError(reference)
            state["next"] += 1
            new = hashlib.sha256(str(state["next"]).encode()).hexdigest()
            state["containers"][new] = {
                "name": name,
                "service": service,
                "image": image,
                "reference": reference,
                "status": "created",
                "started": None,
                "finished": None,
                "exit_code": 0,
                "by_hand": False,
                **settings,
            }
        return new

    def start(self, container: str) -> None:
        """Start a container; a new version of `app` then migrates the data, as new versions do."""
        with self.change() as state:
            entry = state["containers"][container]
            if entry["status"] == "running":
                return
            entry.update(status="running", started=self.clock.time(), by_hand=False)
            state["events"].append([entry["service"], "start", self.clock.time()])
            migrates = state["images"][entry["image"]]["migrates"] and not state["migrated"]
            migrates = migrates and entry["service"] == "app"  # not a container that only holds the image
            if migrates:
                state["migrated"] = True
                state["postgresql"].append("migrated")
        if migrates:
            with contextlib.closing(sqlite3.connect(self.database)) as database, database:
                database.execute("PRAGMA synchronous = EXTRA")  # it, too, is durable once it says so
                database.execute("INSERT INTO readings VALUES (99.0)")
            _write_durably(self.volumes / "cache" / "migrated", b"by the update\n")

    def stop(self, container: str) -> None:
        """Stop a container."""
        with self.change() as state:
            entry = state["containers"][container]
            if entry["status"] == "running":
                self.clock.sleep(STOP_SECONDS)
                entry.update(status="exited", by_hand=True, finished=self.clock.time())
                state["events"].append([entry["service"], "die", self.clock.time()])

    def remove(self, container: str) -> None:
        """Remove a container."""
        with self.change() as state:
            state["containers"].pop(container)

    def rename(self, container: str, name: str) -> None:
        """Rename a container."""
        with self.change() as state:
            if any(entry["name"] == name for entry in state["containers"].values()):
                raise _refused(409, f"the name {name} is in use")
            state["containers"][container]["name"] = name

    def reboot(self) -> None:
        """Reboot after a power cut: containers start again by their restart policy alone."""
        with self.change() as state:
            state["pulling"] = []
            for entry in state["containers"].values():
                if entry["status"] != "running":
                    continue
                if entry["restart"] in ("always", "unless-stopped"):
                    entry["started"] = self.clock.time()
                else:
                    entry.update(status="exited", exit_code=137, finished=self.clock.time())

    def restart_engine(self) -> None:
        """Kill and restart the daemon: containers that it finds running it stops, as if by hand (F09)."""
        with self.change() as state:
            for entry in state["containers"].values():
                if entry["status"] == "running" and entry["restart"] != "always":
                    entry.update(status="exited", by_hand=True, finished=self.clock.time())

    @property
    def database(self) -> Path:
        """The SQLite database of the service `store`."""
        return self.volumes / "data" / "readings.db"

    # -- the API --------------------------------------------------------------------------------------

    def client(self, timeout: float | None = None, **_: Any) -> ApiClient:
        """A client, in place of `docker.APIClient`."""
        return ApiClient(self, timeout)


class NoSuchImageError(Exception):
    """A container was to be made from an image that is not here."""


class ApiClient:
    """The methods of `docker.APIClient` that the gateway uses."""

    def __init__(self, docker: SimDocker, timeout: float | None) -> None:
        self._docker = docker
        self.timeout = timeout

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name.startswith("_") or name == "timeout":
            return value
        return object.__getattribute__(self, "_faulty")(value, name)

    def _faulty(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The call with the fault that is armed: an error before it, or an answer that never comes."""

        def faulty(*arguments: Any, **options: Any) -> Any:
            armed = self._docker.take_armed()
            if armed == "error":
                raise _refused(500, f"simulated failure of {name}")
            if armed == "no-space":
                raise _refused(500, "write /var/lib/docker/tmp: no space left on device")
            answer = call(*arguments, **options)
            if armed == "hang":
                if self.timeout is None:
                    raise UnlimitedCall(f"docker.{name} has no time limit")
                self._docker.clock.sleep(self.timeout)
                raise ReadTimeout(f"simulated hang of {name}")
            return answer

        return faulty

    def ping(self) -> bool:
        return True

    def info(self) -> State:
        return {"DockerRootDir": str(self._docker.path.parent)}

    def version(self) -> State:
        return {"Arch": "amd64"}

    def containers(self, all: bool = False, filters: State | None = None) -> list[State]:
        return [
            {
                "Id": i,
                "ImageID": entry["image"],
                "Labels": _labels(entry),
                "Names": ["/" + entry["name"]],
                "State": entry["status"],
            }
            for i, entry in self._docker.read()["containers"].items()
            if (all or entry["status"] == "running") and _selected(entry, filters or {})
        ]

    def inspect_container(self, container: str) -> State:
        entry = self._entry(container)
        image = self._docker.read()["images"][entry["image"]]
        return {
            "Id": container,
            "Name": "/" + entry["name"],
            "Image": entry["image"],
            "RestartCount": 0,
            "ExecIDs": None,
            "Config": {"Labels": _labels(entry), "Image": entry["reference"], "StopTimeout": None},
            "HostConfig": {"RestartPolicy": {"Name": entry["restart"]}},
            "Mounts": [
                {"Source": str(self._docker.volumes / key), "Destination": destination, "RW": True}
                for key, destination in entry["volumes"].items()
            ],
            "State": {
                "Status": entry["status"],
                "Running": entry["status"] == "running",
                "ExitCode": entry["exit_code"],
                "StartedAt": _docker_time(entry["started"]),
                "FinishedAt": _docker_time(entry["finished"]),
                "Health": {"Status": self._health(entry, image)},
            },
        }

    def _health(self, entry: State, image: State) -> str:
        if not image["healthcheck"] or entry["status"] != "running":
            return "none"
        age = self._docker.clock.time() - entry["started"]
        if age < HEALTHY_AFTER_SECONDS:
            return "starting"
        if image["healthy"]:
            return "healthy"
        return "unhealthy" if age > UNHEALTHY_AFTER_SECONDS else "starting"

    def create_container(
        self, image: str, *_: Any, name: str, labels: dict[str, str], host_config: State, **__: Any
    ) -> State:
        if any(entry["name"] == name for entry in self._docker.read()["containers"].values()):
            raise _refused(409, f"the name {name} is in use")
        restart = (host_config.get("RestartPolicy") or {}).get("Name") or "no"
        settings = {"labels": labels, "restart": restart, "volumes": {}, "config": ""}
        try:
            return {"Id": self._docker.create(name, "", image, settings)}
        except NoSuchImageError:
            raise ImageNotFound(f"no such image: {image}") from None

    def put_archive(self, container: str, path: str, data: bytes) -> bool:
        self._entry(container)
        return True

    def start(self, container: str) -> None:
        self._entry(container)
        self._docker.start(container)

    def stop(self, container: str, timeout: int = 10) -> None:
        self._entry(container)
        self._docker.stop(container)

    def remove_container(self, container: str, force: bool = False, v: bool = False) -> None:
        entry = self._entry(container)
        if entry["status"] == "running" and not force:
            raise _refused(409, "the container runs")
        self._docker.remove(container)

    def rename(self, container: str, name: str) -> None:
        self._entry(container)
        self._docker.rename(container, name)

    def logs(self, container: str, **_: Any) -> bytes:
        return f"log of {self._entry(container)['service']}\n".encode()

    def inspect_volume(self, name: str) -> State:
        path = self._docker.volumes / name.removeprefix(f"{PROJECT}_")
        if not path.is_dir():
            raise NotFound(f"no such volume: {name}")
        return {"Mountpoint": str(path), "Driver": "local"}

    def events(self, since: float, until: float, filters: State, decode: bool) -> Iterator[State]:
        for service, action, at in self._docker.read()["events"]:
            if since <= at <= until:
                attributes = {SERVICE_LABEL: service}
                yield {"Action": action, "timeNano": at * 1e9, "Actor": {"Attributes": attributes}}

    def inspect_image(self, reference: str) -> State:
        state = self._docker.read()
        found = find_image(state, reference)
        if found is None:
            raise ImageNotFound(f"no such image: {reference}")
        image = state["images"][found]
        return _image_data(found, image)

    def images(self) -> list[State]:
        return [_image_data(found, image) for found, image in self._docker.read()["images"].items()]

    def get_image(self, reference: str) -> Iterator[bytes]:
        self.inspect_image(reference)
        yield b"layers"

    def pull(self, repository: str, tag: str, stream: bool, decode: bool) -> Iterator[State]:
        pinned = f"{repository}@{tag}"
        known = sim_registry.real_name(pinned)
        with self._docker.change() as state:
            if known not in state["registry"]:
                raise NotFound(f"manifest unknown: {pinned}")
            state["pulling"].append(pinned)
        yield {"id": "layer", "status": "Downloading", "progressDetail": {"current": 1, "total": 2}}
        failpoints.reach("docker.pull.half-way")
        if self._docker.take_armed():  # the point above may have armed something for its own moment
            yield {"error": "unexpected EOF"}
            return
        if known != pinned and (problem := sim_registry.read(repository, tag)):
            yield {"error": problem}
            return
        with self._docker.change() as state:
            image, described = state["registry"][known]
            entry = state["images"].setdefault(image, {**described, "digests": [], "tags": []})
            entry["digests"] = sorted({*entry["digests"], pinned})
            state["pulling"] = []
        yield {"id": "layer", "status": "Pull complete", "progressDetail": {}}

    def tag(self, image: str, repository: str, tag: str) -> bool:
        name = f"{repository}:{tag}"
        with self._docker.change() as state:
            found = find_image(state, image)
            if found is None:
                raise ImageNotFound(f"no such image: {image}")
            for entry in state["images"].values():
                entry["tags"] = [known for known in entry["tags"] if known != name]
            state["images"][found]["tags"].append(name)
        return True

    def remove_image(self, reference: str, force: bool = False, noprune: bool = False) -> None:
        with self._docker.change() as state:
            found = find_image(state, reference)
            if found is None:
                raise ImageNotFound(f"no such image: {reference}")
            entry = state["images"][found]
            names = [*entry["tags"], *entry["digests"]]
            used = any(c["image"] == found for c in state["containers"].values())
            last = reference == found or names == [reference]
            if last and used and not force:
                raise _refused(409, f"conflict: {reference} is used by a container")
            entry["tags"] = [name for name in entry["tags"] if name != reference]
            entry["digests"] = [name for name in entry["digests"] if name != reference]
            if last and not used:
                del state["images"][found]

    def _entry(self, container: str) -> State:
        entry: State | None = self._docker.read()["containers"].get(container)
        if entry is None:
            raise NotFound(f"no such container: {container}")
        return entry


def new_state() -> State:
    """The state of a Docker daemon without images or containers."""
    return {
        "next": 0,
        "images": {},
        "registry": {},
        "pulling": [],
        "containers": {},
        "events": [],
        "postgresql": [],
        "migrated": False,
    }


def _write_durably(path: Path, data: bytes) -> None:
    """Write a file durably, as a service does that cares for its data."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def _image_data(found: str, image: State) -> State:
    return {
        "Id": found,
        "RepoDigests": list(image["digests"]),
        "RepoTags": list(image["tags"]),
        "Config": {"Labels": {}, "Volumes": {}},
    }


def find_image(state: State, reference: str) -> str | None:
    """The id of the image of that id, tag or digest."""
    for image, entry in state["images"].items():
        if reference == image or reference in entry["tags"] or reference in entry["digests"]:
            return str(image)
    return None


def _labels(entry: State) -> dict[str, str]:
    project = {PROJECT_LABEL: PROJECT, SERVICE_LABEL: entry["service"]} if entry["service"] else {}
    return {**project, **entry.get("labels", {})}


def _selected(entry: State, filters: State) -> bool:
    wanted = filters.get("label") or []
    labels = _labels(entry)
    for label in [wanted] if isinstance(wanted, str) else wanted:
        key, has_value, value = label.partition("=")
        if key not in labels or (has_value and labels[key] != value):
            return False
    return True


def _docker_time(seconds: float | None) -> str:
    if seconds is None:
        return "0001-01-01T00:00:00Z"
    from datetime import UTC, datetime

    assert seconds >= EPOCH
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _refused(status: int, text: str) -> APIError:
    import requests

    response = requests.Response()
    response.status_code = status
    return APIError(text, response=response, explanation=text)
