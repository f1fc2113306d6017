"""The Compose project at work, by the `docker compose` plug-in where that is best, else by Docker's API."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ota_py.errors import ConfigError, DeadlineError, DockerError, HealthError, NotFoundError
from ota_py.gateway.docker import compose_plugin, container
from ota_py.gateway.docker.container import Container
from ota_py.gateway.docker.images import connect, translated
from ota_py.gateway.docker.project import Project
from ota_py.gateway.docker.redaction import Redactor
from ota_py.gateway.system import process
from ota_py.manifest import COMPOSE_FILE_NAME

# Compose's own names and order: it takes the first that is there.
OVERRIDE_FILE_NAMES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
CONFIG_SECONDS = 60
STOP_SECONDS = 300


class Compose:
    """The Compose project of one directory.

    Args:
        project_dir: holds docker-compose.yml and the files that it names.
    """

    def __init__(self, project_dir: Path) -> None:
        self.project_dir = project_dir
        # Services that are started by an image's id, because the name that the file has for it is lost.
        self.images_by_id: dict[str, str] = {}
        self._redactor = Redactor(project_dir, (COMPOSE_FILE_NAME, *OVERRIDE_FILE_NAMES))

    @functools.cached_property
    def api(self) -> Any:
        """Docker's API; connected on first use."""
        return connect()

    @functools.cached_property
    def name(self) -> str:
        """The project's name."""
        return self.present.name

    def use_name(self, name: str) -> None:
        """Set the project's name, where it is known without the project's files: those may have to be restored."""
        self.__dict__["name"] = name

    @functools.cached_property
    def present(self) -> Project:
        """The project as its files are now; resolved once, until `forget`."""
        return self.config()

    def forget(self) -> None:
        """Forget the resolved project, because its files were changed. The name stays."""
        self.__dict__.pop("present", None)

    # -- Compose --------------------------------------------------------------------------------------

    def config(self, staged: Path | None = None) -> Project:
        """Validate and resolve the project, or the staged tree that is to take its place.

        Raises:
            DockerError: Compose refuses the file; the message quotes Compose.
        """
        directory = staged or self.project_dir
        argv = [*_arguments(directory), "config", "--format", "json"]
        if staged:
            argv[argv.index("config") : argv.index("config")] = ["--project-name", self.name]
        done = process.run(
            argv, timeout_seconds=CONFIG_SECONDS, cwd=directory, environment=compose_plugin.environment()
        )
        if done.status:
            which = "new" if staged else "present"
            problem = self._redactor.refusal(done.problem, directory)
            raise DockerError(f"Compose refuses the {which} {COMPOSE_FILE_NAME}: {problem}")
        text = done.stdout.decode()
        if staged:
            text = text.replace(json.dumps(str(staged))[1:-1], json.dumps(str(self.project_dir))[1:-1])
        project = Project(json.loads(text))
        self._redactor.learn(project)
        return project

    def redacted(self, text: str) -> str:
        """A program's output without the project's secrets: it may be stored and reported."""
        return self._redactor.text(text)

    def up(self, services: Collection[str], timeout_seconds: float, *, recreate: bool) -> None:
        """Bring services to what the Compose file states, in one step; nothing is pulled or built.

        Args:
            recreate: replace their containers even where Compose sees no difference.

        Raises:
            DockerError: with what Compose printed.
            DeadlineError: it took longer than `timeout_seconds`.
        """
        if not services:
            return
        options = ["--detach", "--no-deps", "--no-build", "--pull", "never"]
        options += ["--force-recreate"] if recreate else []
        self._run(["up", *options, *sorted(services)], timeout_seconds)

    def create(self, services: Collection[str], timeout_seconds: float) -> None:
        """Replace the containers of services, and start none of them; errors as those of `up`."""
        if services:
            options = ["--no-start", "--no-deps", "--no-build", "--pull", "never", "--force-recreate"]
            self._run(["up", *options, *sorted(services)], timeout_seconds)

    def stop(self, services: Collection[str], timeout_seconds: float = STOP_SECONDS) -> None:
        """Stop services, each with its own grace time."""
        if services:
            self._run(["stop", *sorted(services)], timeout_seconds)

    def _run(self, verb: list[str], timeout_seconds: float) -> None:
        named = _arguments(self.project_dir)
        stdin = None
        if self.images_by_id:
            named += ["--file", "-"]
            override = {name: {"image": image_id} for name, image_id in self.images_by_id.items()}
            stdin = json.dumps({"services": override}).encode()
        argv = [*named, "--project-name", self.name, "--progress", "quiet", *verb]
        done = process.run(
            argv,
            timeout_seconds=timeout_seconds,
            cwd=self.project_dir,
            stdin=stdin,
            environment=compose_plugin.environment(),
        )
        if done.status:
            raise DockerError(f"`docker compose {verb[0]}` failed: {self.redacted(done.problem)}")

    def wait_for_daemon(self, timeout_seconds: float) -> None:
        """Wait until the Docker daemon answers.

        Raises:
            DockerError: it does not answer for that long.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                with translated("waiting for the Docker engine"):
                    self.api.ping()
                return
            except (DockerError, DeadlineError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    # -- Docker's API ---------------------------------------------------------------------------------

    def containers(self) -> list[Container]:
        """All containers of the project, running or not, without those of `docker compose run`."""
        from docker.errors import NotFound

        found: list[Container] = []
        label = f"{container.PROJECT_LABEL}={self.name}"
        with translated("listing containers"):
            for entry in self.api.containers(all=True, filters={"label": label}):
                if entry["Labels"].get(container.ONEOFF_LABEL) == "True":
                    continue
                try:
                    found.append(container.parse(self.api.inspect_container(entry["Id"])))
                except NotFound:
                    continue  # removed between the two calls
        return sorted(found, key=lambda found: found.name)

    def remove(self, services: Collection[str], timeout_seconds: int = STOP_SECONDS) -> None:
        """Stop and remove the containers of services that the Compose file may not know any more."""
        self._remove([c for c in self.containers() if c.service in services], timeout_seconds)

    def clean_up(self, services: Collection[str]) -> None:
        """Clean up after a Compose process that was killed while it replaced a container.

        Compose creates the new container under a temporary name, removes the old one, and renames. Killed
        before the removal, the new one is one too many; killed after it, the new one still has the temporary name.
        """
        containers = [c for c in self.containers() if c.service in services]
        named = {c.service for c in containers if not c.is_temporary}
        temporary = [c for c in containers if c.is_temporary]
        self._remove([c for c in temporary if c.service in named], STOP_SECONDS)
        for found in temporary:
            if found.service not in named:
                with translated(f"renaming {found.name}"):
                    self.api.rename(found.id, found.name.partition("_")[2])

    def _remove(self, containers: Sequence[Container], timeout_seconds: int) -> None:
        from docker.errors import NotFound

        for found in containers:
            with translated(f"removing {found.name}"):
                try:
                    self.api.stop(found.id, timeout=min(timeout_seconds, 10))
                    self.api.remove_container(found.id, force=True)
                except NotFound:
                    continue

    def start(self, containers: Sequence[Container]) -> None:
        """Start stopped containers as they are."""
        for found in containers:
            with translated(f"starting {found.name}"):
                self.api.start(found.id)

    def exec(
        self,
        service: str,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: IO[bytes] | bytes | None = None,
        stdout: IO[bytes] | None = None,
    ) -> process.Completed:
        """Run a command in the running container of a service.

        Raises:
            HealthError: the service does not run.
        """
        options = ["--interactive"] if stdin is not None else []
        argv = ["docker", "exec", *options, self._running(service), *command]
        done = process.run(argv, timeout_seconds=timeout_seconds, stdin=stdin, stdout=stdout)
        return done.replaced(self.redacted)

    def follow(
        self, service: str, command: Sequence[str], timeout_seconds: float, environment: Mapping[str, str]
    ) -> process.Followed:
        """Run a command in the running container of a service, and keep the end of its output.

        When time is up the command is killed in the container too: the Docker daemon would let it run on.

        Raises:
            HealthError: the service does not run.
        """
        found = self._running(service)
        given = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        argv = ["docker", "exec", *given, found, *command]
        done = process.follow(argv, timeout_seconds=timeout_seconds)
        if done.status is None:
            with translated(f"ending {command[0]} in {service}"):
                for started in self.api.inspect_container(found)["ExecIDs"] or []:
                    detail = self.api.exec_inspect(started)
                    ran = [detail["ProcessConfig"]["entrypoint"], *detail["ProcessConfig"]["arguments"]]
                    if detail["Running"] and ran == list(command):
                        process.kill_group(detail["Pid"], command)
        return done.replaced(self.redacted)

    def _running(self, service: str) -> str:
        """The id of a running container of a service."""
        running = [c for c in self.containers() if c.service == service and c.state == "running"]
        if not running:
            raise HealthError(f"the service {service} does not run", failing_service=service)
        return running[0].id

    def logs(self, service: str, lines: int) -> list[str]:
        """The last lines that the newest container of a service wrote."""
        containers = [c for c in self.containers() if c.service == service]
        if not containers:
            return []
        newest = max(containers, key=lambda found: found.started)
        with translated(f"reading the log of {service}"):
            raw: bytes = self.api.logs(newest.id, stdout=True, stderr=True, tail=lines)
        return self.redacted(raw.decode(errors="replace")).splitlines()[-lines:]

    def writable_paths(self) -> set[Path]:
        """Real paths of this machine that services may write to: as Compose says, and as containers have it."""
        present = self.present
        declared = {path for service in present.services for path in present.written_paths(service)}
        mounted = {str(m.source) for container in self.containers() for m in container.mounts if m.writable}
        return {Path(os.path.realpath(path)) for path in declared | mounted}

    def volume_path(self, key: str) -> Path:
        """The directory of a volume of the project on this machine.

        Raises:
            NotFoundError: the project or the Docker daemon has no such volume.
            ConfigError: the volume is not on this machine's disk.
        """
        from docker.errors import NotFound

        name = self.present.volume_name(key)
        found: dict[str, Any] | None = None
        with translated(f"inspecting the volume {key}"), contextlib.suppress(NotFound):
            found = self.api.inspect_volume(name) if name is not None else None
        if found is None:
            raise NotFoundError(f"the Compose project has no volume {key!r}")
        options = found.get("Options") or {}
        # Docker mounts such a volume only while a container uses it: else its own directory is empty.
        if "device" in options and "bind" in str(options.get("o", "")).split(","):
            return Path(str(options["device"]))
        if found["Driver"] != "local" or "device" in options:
            raise ConfigError(
                f"the volume {key} is not on this machine's disk, so it cannot be backed up here",
                hint="leave it out of [[databases]]",
            )
        return Path(str(found["Mountpoint"]))


def _arguments(directory: Path) -> list[str]:
    overrides = [name for name in OVERRIDE_FILE_NAMES if (directory / name).is_file()]
    names = [COMPOSE_FILE_NAME, *overrides[:1]]
    named = [argument for name in names for argument in ("--file", str(directory / name))]
    return [*compose_plugin.command(), "--project-directory", str(directory), *named]
