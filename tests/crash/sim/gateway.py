"""A simulated gateway: the real engine, files and journal, above a simulated Docker and clock."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from ota_py.contract.transactions import State
from ota_py.gateway.config.model import (
    DatabaseConfig,
    FetchConfig,
    GatewayConfig,
    HooksConfig,
    MaintenanceConfig,
)
from ota_py.gateway.fetch import sources
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.policy import hold
from ota_py.gateway.transaction import hooks
from ota_py.gateway.transaction.engine import Engine
from ota_py.manifest_health import CommandProbe
from tests.crash.sim import release as sim_release
from tests.crash.sim import speed as sim_speed
from tests.crash.sim.clock import SimClock
from tests.crash.sim.commands import Commands
from tests.crash.sim.docker import SimDocker
from tests.crash.sim.docker import State as DockerState
from tests.crash.sim.release import NEW, OLD, SETTLE_SECONDS, TIMEOUT_MINUTES

FETCH_MINUTES = 20.0
# Owner of the configuration file, where the test may choose one.
_OWNER = 1000 if os.geteuid() == 0 else os.geteuid()
# Below the range from which the system itself gives out ports.
_RELAY_PORTS = range(20000, 30000)
_SERVICES = ("app", "broker", "store", "cache", "database", "legacy")


@dataclass(frozen=True)
class World:
    """A world, the whole of a gateway: its version, and all that belongs to it.

    Attributes:
        files: of the project directory: bytes, permission bits and owner.
        images: the image id that each service runs.
        data: rows and files of the databases.
    """

    version: str
    files: dict[str, tuple[bytes, int, int]]
    images: dict[str, str]
    data: dict[str, Any]

    def difference(self, other: World) -> str:
        """The difference of another world from this one, in short; empty where there is none."""
        parts = ("version", "files", "images", "data")
        found = []
        for part in parts:
            mine, theirs = getattr(self, part), getattr(other, part)
            if mine == theirs:
                continue
            if isinstance(mine, dict):
                keys = sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key))
                shown = {key: (mine.get(key), theirs.get(key)) for key in keys[:3]}
                found.append(f"{part}: {shown}")
            else:
                found.append(f"{part}: {mine} and {theirs}")
        return "; ".join(found)


class SimGateway:
    """The gateway `sim_1`.

    Args:
        directory: below it everything lies; it may be copied and put back as a whole.
    """

    def __init__(self, directory: Path, clock: SimClock) -> None:
        self.directory = directory
        self.clock = clock
        self.docker = SimDocker(directory, clock)
        self.project_dir = directory / "project"
        self.config = GatewayConfig(
            gateway_id="sim_1",
            fleet="tests",
            project_dir=self.project_dir,
            state_dir=directory / "state",
            root=directory / sim_release.ROOT,
            repository_url=(directory / sim_release.REPOSITORY).as_uri(),
            initial_version=OLD,
            timeout_minutes=TIMEOUT_MINUTES,
            fetch_minutes=FETCH_MINUTES,
            settle_seconds=SETTLE_SECONDS,
            probe_seconds=10,
            keep_backups=2,
            databases=[
                DatabaseConfig(type="sqlite", service="store", path=Path("/data/readings.db")),
                DatabaseConfig(type="postgresql", service="database", user="u", name="n"),
                DatabaseConfig(type="volume", name="cache"),
            ],
            hooks=HooksConfig(directory=directory / "hooks.d"),
            maintenance=MaintenanceConfig(veto_file=directory / "veto"),
            fetch=FetchConfig(relay_port=_RELAY_PORTS[os.getpid() % len(_RELAY_PORTS)]),
            probes=[CommandProbe(type="command", service="broker", command=["/round-trip"])],
        )

    def install(self) -> None:
        """Let this process, and nothing of it afterwards, live in the simulation."""
        self.docker.forget()
        sim_speed.install()
        self.clock.install()
        Commands(self.docker).install()
        docker.APIClient = self.docker.client  # type: ignore[assignment, misc]
        os.environ["DOCKER_HOST"] = "tcp://simulated"  # nothing is to be learned from this machine's engine

    # -- making it ------------------------------------------------------------------------------------

    def build(self) -> None:
        """A gateway that runs the old version, and a registry that has the new one."""
        shutil.rmtree(self.directory, ignore_errors=True)
        for path in (
            self.project_dir / "config",
            self.docker.volumes / "data",
            self.docker.volumes / "cache",
        ):
            path.mkdir(parents=True)
        (self.project_dir / "docker-compose.yml").write_text(sim_release.OLD_COMPOSE)
        os.chmod(self.project_dir / "docker-compose.yml", 0o640)
        (self.project_dir / ".env").write_text("SECRET=1\n")
        (self.project_dir / "config" / "app.conf").write_text("first\n")
        os.chmod(self.project_dir / "config" / "app.conf", 0o600)
        os.chown(self.project_dir / "config" / "app.conf", _OWNER, -1)
        (self.docker.volumes / "cache" / "entry").write_text("cached\n")
        with contextlib.closing(sqlite3.connect(self.docker.database)) as database, database:
            database.execute("CREATE TABLE readings (celsius REAL)")
            database.execute("INSERT INTO readings VALUES (4.5)")
        with self.docker.change() as state:
            state["postgresql"] = ["row"]
            for service in _SERVICES:
                _add_image(state, service, 1, here=True)
            _add_image(state, "app", 2, migrates=True)
            _add_image(state, "app", 3, healthy=False, migrates=True)
            _add_image(state, "extra", 1)
        arguments = ["--project-directory", str(self.project_dir), "up", *_SERVICES]
        Commands(self.docker).run(["docker-compose", *arguments], b"", "")
        self.clock.sleep(60)

    def add_hooks(self) -> None:
        """The owner's hooks, one at each point; while a file `busy` exists, one says "not now"."""
        for point in hooks.POINTS:
            path = self.config.hooks.directory / point / f"hook-{point}"
            path.parent.mkdir(parents=True, mode=0o755)
            path.touch(0o755)

    # -- what it does ---------------------------------------------------------------------------------

    @contextlib.contextmanager
    def engine(self) -> Iterator[tuple[Engine, Journal]]:
        """The engine, as a command of the gateway opens it."""
        with Journal(self.config) as journal:
            yield Engine(self.config, journal), journal

    def update(
        self,
        *,
        healthy: bool = True,
        with_hooks: bool = False,
        force: bool = False,
        until: State = State.COMMITTED,
        held: bool = False,
    ) -> dict[str, Any]:
        """Update to the new version."""
        verified, contents = sim_release.release(healthy=healthy, with_hooks=with_hooks)
        with self.engine() as (engine, _):
            return engine.update(verified, lambda file: contents[file.dest], force=force, until=until, held=held)

    def fetch(self) -> dict[str, Any]:
        """Update from the repository, by the real trust client."""
        with self.engine() as (engine, journal):
            source = sources.from_repository(sources.trust_client(self.config, journal), NEW)
            return engine.update(source.verified, source.fetch, stream=source.stream)

    def update_from_bundle(self) -> dict[str, Any]:
        """Update from a stick: the images come through the real registry relay."""
        with self.engine() as (engine, journal):
            path = self.directory / sim_release.BUNDLE
            source = sources.from_bundle(self.config, journal, path)
            assert source.bundle is not None
            with contextlib.closing(source.bundle) as bundle:
                return engine.update(source.verified, source.fetch, stream=source.stream, bundle=bundle)

    def go_on(self) -> None:
        """Go on with a held update, as the agent does once nothing holds it any more."""
        for name in ("veto", "busy"):
            (self.directory / name).unlink(missing_ok=True)
        with self.engine() as (_, journal):
            waiting = journal.open_transaction()
        if waiting and hold.is_held(waiting):
            self.update(held=True)

    def rollback(self) -> dict[str, Any]:
        """Roll back, as an operator does."""
        with self.engine() as (engine, _):
            return engine.rollback()

    def recover(self) -> dict[str, Any]:
        """Recover, as at boot and from the agent."""
        with self.engine() as (engine, _):
            return engine.recover()

    def backup(self) -> None:
        """Make a backup, as by hand."""
        with self.engine() as (engine, _):
            engine.backup()

    def reboot(self) -> None:
        """Power off and on."""
        self.clock.reboot()
        self.docker.reboot()

    # -- what it is -----------------------------------------------------------------------------------

    def world(self) -> World:
        """The world of the gateway now."""
        self.docker.forget()
        state = self.docker.read()
        with Journal(self.config) as journal:
            version = journal.installed_version
        return World(
            version=version,
            files=project_files(self.project_dir),
            images={c["service"]: c["image"] for c in state["containers"].values() if c["service"]},
            data=self._data(state),
        )

    def _data(self, state: DockerState) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(self.docker.database)) as database:
            readings = [row[0] for row in database.execute("SELECT celsius FROM readings ORDER BY celsius")]
        cache = self.docker.volumes / "cache"
        return {
            "sqlite": readings,
            "postgresql": list(state["postgresql"]),
            "volume": {path.name: path.read_bytes() for path in cache.iterdir()},
        }


def project_files(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    """All files of a project: bytes, permission bits and owner, by relative path."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            found[str(path.relative_to(directory))] = (path.read_bytes(), status.st_mode, status.st_uid)
    return found


def _add_image(
    state: DockerState,
    service: str,
    number: int,
    *,
    here: bool = False,
    healthy: bool = True,
    migrates: bool = False,
) -> None:
    image = "sha256:" + hashlib.sha256(sim_release.configuration(service, number)).hexdigest()
    name = f"registry/{service}"
    pinned = f"{name}@{sim_release.digest(service, number)}"
    described = {"healthcheck": service == "app", "healthy": healthy, "migrates": migrates}
    state["registry"][pinned] = [image, described]
    if here:
        state["images"][image] = {**described, "digests": [pinned], "tags": [f"{name}:{number}"]}
