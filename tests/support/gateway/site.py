"""A gateway in a temporary directory, with a repository to update it from. Everything in it is real."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, Root, Targets

from lab.oci import Image as OciImage
from lab.oci import Layer, Registry, layer_of_files
from ota_py.errors import RepositoryError
from ota_py.gateway.config.model import GatewayConfig, load
from ota_py.gateway.fetch.sources import from_repository, trust_client
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.transaction.engine import Engine
from ota_py.manifest import File, Image, Manifest
from ota_py.trust import layout
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.keys.key_files import generate_key
from ota_py.trust.keys.signers import load_signer
from ota_py.trust.publish.initialise import initialise
from ota_py.trust.publish.release import release
from ota_py.trust.repository.repository import Repository
from tests.support.gateway.standing import standing
from tests.support.paths import ROOT
from tests.support.processes import captured
from tests.support.trust.stores import DirectoryOfBytes

CLIENT = ROOT / "ota_client.py"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What a version of a service does when it starts.
RUNS = b"#!/bin/sh\ntrap 'exit 0' TERM INT\necho running $(cat /version)\nwhile :; do sleep 1 & wait $!; done\n"
# It says so once only: the engine starts it anew while its log is read.
EXITS = b"""#!/bin/sh
[ -e /tmp/said ] && exit 3
for i in $(seq 1 30); do echo line $i; done
touch /tmp/said
exit 3
"""
CRASHES_SOON = b"#!/bin/sh\nsleep 0.4\nexit 1\n"
BROKER = b"""#!/bin/sh
printf 'listener %s 127.0.0.1\\nallow_anonymous true\\nuser service\\n' "$PORT" >/tmp/broker.conf
exec mosquitto -c /tmp/broker.conf
"""
HEALTHY = b"#!/bin/sh\nexit 0\n"
UNHEALTHY = b"#!/bin/sh\necho not well, on purpose\nexit 1\n"
NEVER_READY = b"#!/bin/sh\nsleep 3600\n"

COMPOSE = """\
# The site's project; comments and "quotes" must survive.
name: {project}
services:
  app:
    image: "{app}"   # replaced by updates
    restart: {restart}
    network_mode: none
    stop_grace_period: 2s
    volumes:
      - ./config/app.conf:/etc/app.conf:ro
    healthcheck:
      test: ["CMD", "/health"]
      interval: 300ms
      timeout: 60s
      retries: 2
  broker:
    image: {broker}
    restart: unless-stopped
    network_mode: host
    environment:
      PORT: "{port}"
  store:
    image: {store}
    restart: unless-stopped
    network_mode: none
    stop_grace_period: 2s
    volumes:
      - data:/data
volumes:
  data:
"""


@dataclass(frozen=True)
class Keys:
    """The operator's keys."""

    signers: dict[str, Signer]

    @classmethod
    def generate(cls, directory: Path) -> Keys:
        signers = {}
        for role in ("root", "release", "online"):
            path = directory / f"{role}.pem"
            signers[role] = load_signer(f"file:{path}", generate_key(path, None), _no_passphrase)
        return cls(signers)


def _no_passphrase() -> str:
    raise AssertionError("these keys are not encrypted")


class Site:
    """The gateway `site_1` of the fleet `tests`, and its operator."""

    def __init__(self, directory: Path, keys: Keys, registry: Registry, layers: dict[str, Layer], port: int) -> None:
        self.directory = directory
        self.project = f"site-{uuid.uuid4().hex[:8]}"
        self.port = port
        self.project_dir = directory / "project"
        self.config_file = directory / "gateway.toml"
        self._keys = keys
        self._registry = registry
        self._layers = layers
        self._store = DirectoryOfBytes(directory / "repository")
        signers = keys.signers
        self._root = initialise(
            self._store,
            signers["root"],
            signers["release"].public_key,
            signers["release"],
            signers["online"],
            datetime.now(UTC),
        )

    # -- the operator ---------------------------------------------------------------------------------

    def push(
        self,
        service: str,
        version: str,
        start: bytes = RUNS,
        health: bytes = HEALTHY,
        labels: dict[str, str] | None = None,
    ) -> Image:
        """Push one version of a service; what a manifest says about it."""
        files = {
            "/version": (version.encode(), 0o644),
            # Else two services, or two sites of tests that run at the same time, would share one image.
            "/service": (f"{self.project}/{service}".encode(), 0o644),
            "/start": (start, 0o755),
            "/health": (health, 0o755),
            "/tmp/.keep": (b"", 0o644),
        }
        names = ["busybox", "mosquitto"] if start == BROKER else ["busybox"]
        image = OciImage(
            [*(self._layers[n] for n in names), layer_of_files(files)],
            ["/start"],
            {"PATH": PATH},
            labels or {},
        )
        repository = f"{self.project}/{service}"
        digest = self._registry.push(repository, version, image)
        size = sum(len(layer.blob) for layer in image.layers)
        return Image(reference=f"{self._registry.address}/{repository}:{version}", digest=digest, size=size)

    def publish(
        self,
        version: str,
        images: dict[str, Image] | None = None,
        files: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Manifest:
        """Publish an update. `files`: dest to bytes, or to (bytes, True) for a template."""
        given = {d: v if isinstance(v, tuple) else (v, False) for d, v in (files or {}).items()}
        entries = [_file(version, dest, data, template) for dest, (data, template) in given.items()]
        compose = next((entry for entry in entries if entry.dest == "docker-compose.yml"), None)
        values = {
            "fleet": "tests",
            "version": version,
            "created": "2026-01-01T00:00:00Z",
            "images": images or {},
            "files": [entry for entry in entries if entry is not compose],
            "compose": compose,
        }
        manifest = Manifest(**{**values, **fields})
        raw = manifest.to_bytes()
        signers = self._keys.signers
        targets = {layout.file_path(version, dest): data for dest, (data, _) in given.items()}
        repository = Repository(self._store, self._root)
        now = datetime.now(UTC)
        release(repository, raw, targets, [signers["release"]], OnlineSigners.one(signers["online"]), now)
        return manifest

    def replace_release_key(self, directory: Path) -> None:
        """A new root.json that counts another release key, and no list of updates that it signed yet."""
        envelope = Metadata[Root].from_bytes(self._store.get(f"{layout.METADATA}1.root.json"))
        root, signers = envelope.signed, self._keys.signers
        root.version += 1
        root.revoke_key(signers["release"].public_key.keyid, Targets.type)
        root.add_key(generate_key(directory / "new-release.pem", None), Targets.type)
        envelope.sign(signers["root"])
        self._store.put(f"{layout.METADATA}2.root.json", envelope.to_bytes(), "application/json")

    # -- the gateway ----------------------------------------------------------------------------------

    def start(self, restart: str = "unless-stopped") -> None:
        """Lay the project out at version 1.0.0 and start it."""
        (self.project_dir / "config").mkdir(parents=True)
        (self.project_dir / "config" / "app.conf").write_text("first\n")
        images = {
            "app": self.push("app", "1.0.0"),
            "broker": self.push("broker", "1.0.0", BROKER),
            "store": self.push("store", "1.0.0"),
        }
        named = {name: image.reference for name, image in images.items()}
        text = COMPOSE.format(project=self.project, port=self.port, restart=restart, **named)
        self.compose_file.write_text(text)
        os.chmod(self.compose_file, 0o640)
        (self.directory / "root.json").write_bytes(self._root)
        self.configure()
        self.compose("up", "--detach", "--wait", "--quiet-pull")
        with closing(self.database()) as database, database:
            database.execute("CREATE TABLE readings (celsius REAL)")
            database.execute("INSERT INTO readings VALUES (4.5)")

    def configure(
        self, extra: str = "", databases: str | None = None, settle: float = 0.3, patience: float = 30
    ) -> None:
        """Write gateway.toml.

        Args:
            settle: how long a replaced service must run; more for one that crashes: that takes time, too.
            patience: how long probes may fail; all that an update breaks takes as long.
        """
        default = '[[databases]]\ntype = "sqlite"\nservice = "store"\npath = "/data/readings.db"\n'
        self.config_file.write_text(
            f'gateway_id = "site_1"\nfleet = "tests"\nproject_dir = "{self.project_dir}"\n'
            f'state_dir = "{self.directory}/state"\nroot = "{self.directory}/root.json"\n'
            f'repository_url = "file://{self.directory}/repository"\ninitial_version = "1.0.0"\n'
            f"settle_seconds = {settle}\nprobe_seconds = {patience}\n{extra}\n"
            '[variables]\nsite_name = "Boston 1"\n'
            + (default if databases is None else databases)
            + f'[[probes]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {self.port}\ntimeout_seconds = 10\n'
        )

    @property
    def compose_file(self) -> Path:
        return self.project_dir / "docker-compose.yml"

    @property
    def config(self) -> GatewayConfig:
        return load(self.config_file)

    @contextmanager
    def engine(self) -> Iterator[tuple[Engine, Journal]]:
        with Journal(self.config) as journal:
            yield Engine(self.config, journal), journal

    def refreshed(self) -> dict[str, object]:
        """The standing of the gateway, once it has refreshed its metadata; see `standing`."""
        # One that is away is not seen.
        with Journal(self.config) as journal, suppress(RepositoryError):
            trust_client(self.config, journal).refresh()
        return self.standing()

    def standing(self) -> dict[str, object]:
        """See `standing`."""
        return standing(self.config)

    def update(self, version: str, **options: Any) -> dict[str, Any]:
        """Update from the repository, in this process."""
        with self.engine() as (engine, journal):
            source = from_repository(trust_client(self.config, journal), version)
            return engine.update(source.verified, source.fetch, **options)

    def client_argv(self, *arguments: str) -> list[str]:
        """The command line of ota_client.py."""
        return [sys.executable, str(CLIENT), *arguments, "--config", str(self.config_file)]

    def client(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ota_client.py."""
        return captured(self.client_argv(*arguments), environment=environment)

    def start_client(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ota_client.py, and let it run."""
        argv = [sys.executable, str(CLIENT), *arguments, "--config", str(self.config_file)]
        return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def client_json(self, *arguments: str, status: int = 0, **environment: str) -> dict[str, Any]:
        done = self.client(*arguments, "--json", **environment)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    # -- what is there --------------------------------------------------------------------------------

    def compose(self, *arguments: str) -> str:
        from ota_py.gateway.docker import compose_plugin

        argv = [
            *compose_plugin.command(),
            "--project-directory",
            str(self.project_dir),
            "-f",
            str(self.compose_file),
        ]
        done = captured([*argv, *arguments])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def container(self, service: str) -> Any:
        (found,) = self.containers(service)
        return found

    def containers(self, service: str | None = None) -> list[Any]:
        labels = [f"com.docker.compose.project={self.project}"]
        labels += [f"com.docker.compose.service={service}"] if service else []
        with closing(docker.from_env()) as client:
            return client.containers.list(all=True, filters={"label": labels})

    def pins(self) -> list[Any]:
        """The image pins: containers that keep images for a rollback."""
        with closing(docker.from_env()) as client:
            return client.containers.list(all=True, filters={"label": f"ota.keep={self.project}"})

    def version_of(self, service: str) -> str:
        """The version that the running container of a service has."""
        return self.output_of(service, "cat", "/version")

    def output_of(self, service: str, *command: str) -> str:
        """The output of a command in the running container of a service."""
        found = self.container(service)
        # An engine under load loses the output of an exec now and then.
        outputs = (found.exec_run(list(command)).output.decode() for _ in range(5))
        return str(next(filter(None, outputs), ""))

    def ids(self) -> dict[str, str]:
        return {c.labels["com.docker.compose.service"]: c.id for c in self.containers()}

    def database(self) -> sqlite3.Connection:
        with closing(docker.from_env()) as client:
            path = client.volumes.get(f"{self.project}_data").attrs["Mountpoint"]
        return sqlite3.connect(f"{path}/readings.db")

    def readings(self) -> list[float]:
        with closing(self.database()) as database:
            return [row[0] for row in database.execute("SELECT celsius FROM readings ORDER BY celsius")]

    def insert(self, celsius: float) -> None:
        with closing(self.database()) as database, database:
            database.execute("INSERT INTO readings VALUES (?)", (celsius,))

    def files(self) -> dict[str, tuple[bytes, int, int]]:
        """All files of the project: bytes, mode, owner."""
        return {
            str(path.relative_to(self.project_dir)): (
                path.read_bytes(),
                path.stat().st_mode,
                path.stat().st_uid,
            )
            for path in sorted(self.project_dir.rglob("*"))
            if path.is_file()
        }

    def remove(self) -> None:
        """Remove all of the site from the Docker daemon."""
        with closing(docker.from_env()) as client:
            for container in [*self.containers(), *self.pins()]:
                with suppress(docker.errors.NotFound):  # an engine under load says so too late
                    container.remove(force=True)
            for volume in client.volumes.list(filters={"label": f"com.docker.compose.project={self.project}"}):
                volume.remove(force=True)
            for network in client.networks.list(filters={"label": f"com.docker.compose.project={self.project}"}):
                network.remove()
            for image in client.api.images():
                names = [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]
                ours = [name for name in names if f"/{self.project}/" in name]
                for reference in ours:
                    with suppress(docker.errors.ImageNotFound):  # a digest goes with its last tag
                        client.images.remove(reference, force=True)


def _file(version: str, dest: str, data: bytes, template: bool) -> File:
    return File(
        dest=dest,
        target=layout.file_path(version, dest),
        sha256=hashlib.sha256(data).hexdigest(),
        length=len(data),
        template=template,
    )
