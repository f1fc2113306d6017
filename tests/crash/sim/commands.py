"""Simulated programs: `docker-compose`, `docker exec`, `tar` and so on, in place of real processes.

Compose replaces a container in its own steps (create aside, stop, remove, rename, start), each a point.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import yaml
from docker.errors import APIError

from ota_py.gateway.docker import compose_plugin
from ota_py.gateway.system import failpoints, process
from ota_py.gateway.transaction import hooks
from tests.crash.sim.docker import PROJECT, NoSuchImageError, SimDocker, UnlimitedCall

# Beyond what a kernel gives out: nothing real can be hit by it.
_NO_SUCH_PROCESS = 2**30


class FailedError(Exception):
    """The simulated program ends with this exit status and prints why."""

    def __init__(self, why: str, status: int = 1) -> None:
        super().__init__(why)
        self.status = status


class HangsError(Exception):
    """The simulated program does not end by itself."""


class Commands:
    """The programs of a simulated gateway; `install` puts them in place of real ones."""

    def __init__(self, docker: SimDocker) -> None:
        self.docker = docker

    def install(self) -> None:
        """Let this process start simulated programs only."""
        process.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": self._popen})  # type: ignore
        compose_plugin.command = lambda: ["docker-compose"]  # type: ignore[assignment]

    def _popen(self, argv: list[str], stdin: Any = None, stdout: Any = None, **_: Any) -> SimProcess:
        return SimProcess(self, argv, stdin, stdout)

    def run(self, argv: list[str], stdin: bytes, armed: str) -> bytes:
        """Run one program to its end; returns what it prints."""
        if armed == "error":
            raise FailedError("simulated failure")
        if armed == "no-space":
            raise FailedError("write: no space left on device")
        if armed == "hang":
            raise HangsError
        program = {
            "docker-compose": self._compose,
            "docker": self._exec,
            "tar": self._tar,
            "find": self._find,
            "sync": self._sync,
        }
        if argv[0] not in program:
            return self._hook(Path(argv[0]))
        return program[argv[0]](argv[1:], stdin)

    # -- docker compose ---------------------------------------------------------------------------------

    def _compose(self, argv: list[str], _: bytes) -> bytes:
        directory = Path(argv[argv.index("--project-directory") + 1])
        document = _resolve(directory)
        rest = [word for word in argv if word in ("config", "up", "stop")]
        if rest == ["config"]:
            return json.dumps(document).encode()
        verb = argv.index(rest[0])
        words = argv[verb + 1 :]
        services = [word for word in words if word in document["services"]]
        if rest[0] == "stop":
            for service in services:
                for container in self._of(service):
                    failpoints.reach("compose.stop.each")
                    self.docker.stop(container)
        else:
            self._up(document, services, recreate="--force-recreate" in words)
        return b""

    def _up(self, document: dict[str, Any], services: list[str], *, recreate: bool) -> None:
        for service in services:
            settings = _settings(document, service)
            # Of several that are to be recreated Compose keeps any one, and removes the others meanwhile:
            # their names are still taken.
            *others, present = self._of(service) or [""]
            name = f"{PROJECT}-{service}-1"
            if not present:
                self._create(name, service, document)
            elif recreate or self.docker.read()["containers"][present]["config"] != settings["config"]:
                self._recreate(present, name, service, document)
            for other in others:
                self.docker.stop(other)
                self.docker.remove(other)
        for service in services:
            failpoints.reach("compose.up.starting")
            for container in self._of(service):
                self.docker.start(container)
        failpoints.reach("compose.up.started")
        if self.docker.take_armed() == "hang":
            raise HangsError

    def _recreate(self, old: str, name: str, service: str, document: dict[str, Any]) -> None:
        new = self._create(f"{old[:12]}_{name}", service, document)
        self._between("created")
        self.docker.stop(old)
        self._between("stopped")
        self.docker.remove(old)
        self._between("removed")
        try:
            self.docker.rename(new, name)
        except APIError as error:
            raise FailedError(str(error)) from None
        self._between("renamed")

    def _between(self, what: str) -> None:
        failpoints.reach(f"compose.up.{what}")
        armed = self.docker.take_armed()
        if armed == "hang":
            raise HangsError
        if armed:
            raise FailedError("simulated failure")

    def _create(self, name: str, service: str, document: dict[str, Any]) -> str:
        try:
            image = document["services"][service]["image"]
            return self.docker.create(name, service, image, _settings(document, service))
        except NoSuchImageError as error:
            raise FailedError(f"No such image: {error}") from None

    def _of(self, service: str) -> list[str]:
        containers = self.docker.read()["containers"]
        return [i for i, entry in containers.items() if entry["service"] == service]

    # -- docker exec: the database's own tools, and a probe -----------------------------------------------

    def _exec(self, argv: list[str], stdin: bytes) -> bytes:
        words = [word for word in argv[1:] if word not in ("--interactive", "--env") and "=" not in word]
        container, tool = self.docker.read()["containers"].get(words[0]), words[1]
        if container is None or container["status"] != "running":
            raise FailedError("the container does not run")
        if tool == "psql":
            return b"100\n"
        if tool == "pg_dump":
            return b"PGDMP" + json.dumps(self.docker.read()["postgresql"]).encode()
        if tool == "pg_restore":
            with self.docker.change() as state:
                state["postgresql"] = []
            failpoints.reach("pg_restore.half-way")
            with self.docker.change() as state:
                state["postgresql"] = json.loads(stdin.removeprefix(b"PGDMP"))
                state["migrated"] = "migrated" in state["postgresql"]
        return b""

    # -- programs of the gateway itself -------------------------------------------------------------------

    def _tar(self, argv: list[str], _: bytes) -> bytes:
        options = dict(word.split("=", 1) for word in argv if "=" in word)
        directory = os.path.realpath(options["--directory"])  # tar goes there; tarfile would see a link
        if "--create" in argv:
            with tarfile.open(options["--file"], "w") as archive:
                archive.add(directory, ".")
        else:
            with tarfile.open(options["--file"]) as archive:
                archive.extractall(directory, filter="fully_trusted")
        return b""

    def _find(self, argv: list[str], _: bytes) -> bytes:
        for path in sorted(Path(argv[0]).iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            failpoints.reach("find.half-way")
        return b""

    def _hook(self, path: Path) -> bytes:
        """Run a hook of the gateway's owner."""
        assert path.is_file(), f"{path} is not simulated"
        if path.parent.name == "before-stop" and (self.docker.path.parent / "busy").exists():
            raise FailedError("the kitchen is busy", hooks.NOT_NOW)
        return b"done\n"

    def _sync(self, argv: list[str], _: bytes) -> bytes:
        descriptor = os.open(argv[-1], os.O_RDONLY)
        ctypes.CDLL(None).syncfs(descriptor)
        os.close(descriptor)
        return b""


class SimProcess:
    """A simulated `subprocess.Popen`: the program runs at once when its output or its end is requested."""

    pid = _NO_SUCH_PROCESS

    def __init__(self, commands: Commands, argv: list[str], stdin: Any, stdout: Any) -> None:
        self._commands = commands
        self._argv = argv
        self._stdin = stdin
        self._target = stdout if hasattr(stdout, "write") else None
        self._armed = commands.docker.take_armed()
        self._ran = False
        self._hangs = False
        self._said = (b"", b"")
        self._pipe: IO[bytes] | None = None
        self.returncode: int | None = None

    def __enter__(self) -> SimProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pipe is not None:
            self._pipe.close()

    def communicate(self, given: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:
        """The output of the program, on standard output and error."""
        self._run(given)
        if self._hangs:
            self.wait(timeout)
        return self._said

    @property
    def stdout(self) -> IO[bytes]:
        """A pipe with the program's output, closed at the other end."""
        if self._pipe is None:
            self._run(None)
            reading, writing = os.pipe()
            os.write(writing, b"".join(self._said))
            os.close(writing)
            self._pipe = os.fdopen(reading, "rb")
        return self._pipe

    def poll(self) -> int | None:
        """The exit status of the program; None while it runs."""
        self._run(None)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit status of the program; one that hangs uses up all the time that it is given, and is killed then."""
        self._run(None)
        if self._hangs:
            if timeout is None:
                raise UnlimitedCall(f"{self._argv[0]} has no time limit")
            self._hangs, self.returncode = False, -9
            self._commands.docker.clock.sleep(timeout)
            raise subprocess.TimeoutExpired(self._argv, timeout)
        return self.returncode

    def _run(self, given: bytes | None) -> None:
        if self._ran:
            return
        self._ran = True
        read = self._stdin.read() if hasattr(self._stdin, "read") else given or b""
        try:
            output = self._commands.run(self._argv, read, self._armed)
            self.returncode = 0
        except FailedError as failure:
            self.returncode, self._said = failure.status, (b"", f"{failure}\n".encode())
        except HangsError:
            self._hangs = True
        else:
            if self._target is not None:
                self._target.write(output)
            else:
                self._said = (output, b"")


def _resolve(directory: Path) -> dict[str, Any]:
    """The output of `docker compose config`, for as much of Compose as the simulated project uses."""
    document: dict[str, Any] = json.loads(parsed((directory / "docker-compose.yml").read_text()))
    document["name"] = PROJECT
    volumes = document.get("volumes") or {}
    document["volumes"] = {key: {"name": f"{PROJECT}_{key}"} for key in volumes}
    for service in document["services"].values():
        service["volumes"] = [_mount(directory, text) for text in service.get("volumes") or []]
    return document


@functools.cache
def parsed(text: str) -> str:
    """YAML as JSON; what is parsed before a process forks need not be parsed after."""
    return json.dumps(yaml.load(text, yaml.CSafeLoader))


def _mount(directory: Path, text: str) -> dict[str, str]:
    source, target = text.split(":")[:2]
    if source.startswith("./"):
        return {"type": "bind", "source": str(directory / source[2:]), "target": target}
    return {"type": "volume", "source": source, "target": target}


def _settings(document: dict[str, Any], service: str) -> dict[str, Any]:
    data = document["services"][service]
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    mounted = {m["source"]: m["target"] for m in data["volumes"] if m["type"] == "volume"}
    return {"config": digest, "restart": data.get("restart", "no"), "volumes": mounted}
