"""The release of the crash matrix's gateways: images, a project, and signed updates."""

from __future__ import annotations

import gzip
import hashlib
import platform
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import Signer

from lab import engine, images
from lab.config import LabConfig, cache_dir
from lab.images import ImageFactory
from lab.oci import Image as OciImage
from lab.oci import Layer, Registry, layer_of_files
from ota_py.manager.release import wheelhouse
from ota_py.manifest import File, Image, Manifest
from ota_py.trust import layout
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.keys.key_files import generate_key
from ota_py.trust.keys.signers import load_signer
from ota_py.trust.publish.initialise import initialise
from ota_py.trust.publish.release import release
from ota_py.trust.repository.repository import Repository
from tests.support.trust.stores import DirectoryOfBytes

ON_GATEWAY = Path(__file__).resolve().parent / "on_gateway"
# Where all of it is on a gateway.
PLACE = "/opt/ota-crash"
PYTHON_VERSION = "3.13"
LARGE_MIB = 400
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

COMPOSE = """\
name: crash
x-fast: &fast {{interval: 5s, timeout: 20s, retries: 2, start_period: 120s, start_interval: 400ms}}
services:
  app:
    image: {app}
    restart: unless-stopped
    stop_grace_period: 2s
    volumes: ["./config/app.conf:/etc/app.conf:ro"]
    healthcheck: {{<<: *fast, interval: 1s, retries: 1, start_period: 1s, test: ["CMD", "/health"]}}
  database:
    image: {database}
    restart: unless-stopped
    environment: {{POSTGRES_USER: crash, POSTGRES_PASSWORD: crash, POSTGRES_DB: crash}}
    volumes: ["database:/var/lib/postgresql/data"]
    healthcheck: {{<<: *fast, test: ["CMD", "/health"]}}
  other:
    image: {other}
    restart: unless-stopped
    stop_grace_period: 2s
    network_mode: none
volumes:
  database:
"""
WAITS = b"#!/bin/sh\ntrap 'exit 0' TERM INT\nwhile :; do sleep 1 & wait $!; done\n"
MIGRATES = b"""#!/bin/sh
trap 'exit 0' TERM INT
PGPASSWORD=crash psql -q -h database -U crash -d crash \\
    -c 'BEGIN; DELETE FROM readings; ALTER TABLE readings ADD added text; COMMIT'
while :; do sleep 1 & wait $!; done
"""
WELL = b"#!/bin/sh\nexit 0\n"
ILL = b"#!/bin/sh\necho not well, on purpose\nexit 1\n"

CONFIG = """\
gateway_id = "crash_1"
fleet = "crash"
project_dir = "{place}/project"
state_dir = "{place}/state"
root = "{place}/root.json"
repository_url = "file://{place}/repository"
initial_version = "1.0.0"
settle_seconds = 0.2
probe_seconds = 15
keep_backups = 2
[[databases]]
type = "postgresql"
service = "database"
user = "crash"
name = "crash"
"""


@dataclass(frozen=True)
class Release:
    """The operator's release: files for the gateway, and the project's wheels."""

    files: dict[str, bytes]
    wheels: Path

    @classmethod
    def publish(cls, config: LabConfig) -> Release:
        """Push the images; sign an update that is good, one that is not, and one that is large."""
        factory = images.factory(config, engine.require(), lambda _: None)
        registry = Registry(config.registry)
        app = {
            version: _push(factory, registry, "app", version, start, health)
            for version, start, health in (
                ("1.0.0", WAITS, WELL),
                ("2.0.0", WAITS, WELL),
                ("2.1.0", MIGRATES, ILL),
            )
        }
        app["3.0.0"] = _push(factory, registry, "app", "3.0.0", WAITS, WELL, _large_layer())
        other = _push(factory, registry, "other", "1.0.0", WAITS, WELL)
        database = factory.build_and_push("database", "1.0.0").partition("@")[0] + ":1.0.0"
        compose = COMPOSE.format(app=app["1.0.0"].reference, other=other.reference, database=database)
        files = {
            "project/docker-compose.yml": compose.encode(),
            "project/config/app.conf": b"first\n",
            "registry": config.registry.partition(":")[0].encode(),
            "gateway.toml": CONFIG.format(place=PLACE).encode(),
            **{path.name: path.read_bytes() for path in ON_GATEWAY.glob("*.py")},
        }
        with tempfile.TemporaryDirectory() as name:
            files["root.json"] = _repository(Path(name), app)
            for path in (Path(name) / "repository").rglob("*"):
                if path.is_file():
                    files[str(path.relative_to(name))] = path.read_bytes()
        wheels, _, _ = wheelhouse.build(cache_dir() / "wheelhouse", PYTHON_VERSION, platform.machine())
        return cls(files, wheels)


def _push(
    factory: ImageFactory,
    registry: Registry,
    service: str,
    version: str,
    start: bytes,
    health: bytes,
    *more: Layer,
) -> Image:
    base = factory.build("sensors", "1.0.0").layers[:-1]
    files = {
        "/version": (f"{service} {version}".encode(), 0o644),
        "/start": (start, 0o755),
        "/health": (health, 0o755),
    }
    image = OciImage([*base, layer_of_files(files), *more], ["/start"], {"PATH": PATH})
    digest = registry.push(f"crash/{service}", version, image)
    size = sum(len(layer.blob) for layer in image.layers)
    return Image(reference=f"{registry.address}/crash/{service}:{version}", digest=digest, size=size)


def _large_layer() -> Layer:
    """A layer of hardly anything to fetch, and a lot to unpack: no check of space can foresee it."""
    entry = tarfile.TarInfo("large")
    entry.size = LARGE_MIB << 20
    parts = [entry.tobuf(), *[bytes(1 << 20)] * LARGE_MIB, bytes(tarfile.RECORDSIZE)]
    digest = hashlib.sha256()
    blobs: dict[bytes, bytes] = {}
    for part in parts:
        digest.update(part)
        blobs.setdefault(part, gzip.compress(part, mtime=0))
    return Layer(b"".join(blobs[part] for part in parts), f"sha256:{digest.hexdigest()}")


def _repository(directory: Path, app: dict[str, Image]) -> bytes:
    """Sign the updates into `directory/repository`; returns the trust root."""
    signers: dict[str, Signer] = {}
    for role in ("root", "release", "online"):
        path = directory / f"{role}.pem"
        signers[role] = load_signer(f"file:{path}", generate_key(path, None), lambda: "")
    store, now = DirectoryOfBytes(directory / "repository"), datetime.now(UTC)
    root = initialise(store, signers["root"], signers["release"].public_key, signers["release"], signers["online"], now)
    for version in ("2.0.0", "2.1.0", "3.0.0"):
        contents = {"config/app.conf": f"of {version}\n".encode(), "config/new.conf": b"new\n"}
        manifest = Manifest(
            fleet="crash",
            version=version,
            created="2026-01-01T00:00:00Z",
            images={"app": app[version]},
            files=[_file(version, dest, data) for dest, data in contents.items()],
        )
        raw = manifest.to_bytes()
        targets = {layout.file_path(version, dest): data for dest, data in contents.items()}
        release(
            Repository(store, root),
            raw,
            targets,
            [signers["release"]],
            OnlineSigners.one(signers["online"]),
            now,
        )
    return root


def _file(version: str, dest: str, data: bytes) -> File:
    sha256 = hashlib.sha256(data).hexdigest()
    return File(dest=dest, target=layout.file_path(version, dest), sha256=sha256, length=len(data))
