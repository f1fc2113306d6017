"""The release of simulated gateways: the signed update, its images, a repository and a bundle."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from ota_py import bundle, oci
from ota_py.manifest import COMPOSE_FILE_NAME, File, Hook, Image, Manifest
from ota_py.manifest_health import Health
from ota_py.trust import layout
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.publish import release as publishing
from ota_py.trust.publish.initialise import initialise
from ota_py.trust.repository.repository import Repository
from ota_py.trust.verify import VerifiedManifest
from tests.support.trust.stores import DirectoryOfBytes

OLD, NEW = "1.0.0", "1.1.0"
TIMEOUT_MINUTES = 10.0
SETTLE_SECONDS = 0.5
# Below a gateway's directory.
REPOSITORY, BUNDLE, ROOT = "repository", "update.bundle", "root.json"

_COMPOSE = """\
# The site's project; comments must survive.
services:
  app:
    image: {app}
    restart: unless-stopped
    volumes: ["./config/app.conf:/etc/app.conf:ro"]
  broker:
    image: registry/broker:1
    restart: unless-stopped
  store:
    image: registry/store:1
    restart: unless-stopped
    volumes: ["data:/data"]
  cache:
    image: registry/cache:1
    restart: always
    volumes: ["cache:/cache"]
  database:
    image: registry/database:1
    restart: unless-stopped
  {last}:
    image: {last_image}
    restart: unless-stopped
volumes:
  data:
  cache:
"""
OLD_COMPOSE = _COMPOSE.format(app="registry/app:1", last="legacy", last_image="registry/legacy:1")
NEW_COMPOSE = _COMPOSE.format(app="registry/app:2", last="extra", last_image="registry/extra:1")
# Commands of the update itself, for a scenario with hooks.
HOOKS = (
    Hook(at="before-stop", service="broker", command=["/flush"]),
    Hook(at="after-start", service="app", command=["/warm-up"]),
)


def release(*, healthy: bool = True, with_hooks: bool = False) -> tuple[VerifiedManifest, dict[str, bytes]]:
    """The update to the new version, and the bytes of its files."""
    contents = {
        COMPOSE_FILE_NAME: NEW_COMPOSE.encode(),
        "config/app.conf": b"second for {{ gateway_id }}\n",
        "config/new.conf": b"new\n",
    }
    entries = [
        File(
            dest=dest,
            target=layout.file_path(NEW, dest),
            sha256=hashlib.sha256(data).hexdigest(),
            length=len(data),
            template=dest == "config/app.conf",
        )
        for dest, data in contents.items()
    ]
    manifest = Manifest(
        fleet="tests",
        version=NEW,
        created="2026-01-01T00:00:00Z",
        images={"app": _image("app", 2 if healthy else 3), "extra": _image("extra", 1)},
        compose=entries[0],
        files=entries[1:],
        health=Health(settle_seconds=SETTLE_SECONDS),
        hooks=list(HOOKS) if with_hooks else [],
        timeout_minutes=TIMEOUT_MINUTES,
    )
    return VerifiedManifest(manifest, manifest.to_bytes(), b"{}", ("key",)), contents


def unhealthy_compose_file(healthy: bytes) -> bytes:
    """The Compose file of the unhealthy update, from that of the healthy one."""
    return healthy.replace(digest("app", 2).encode(), digest("app", 3).encode())


# -- images -------------------------------------------------------------------------------------------


def configuration(service: str, number: int) -> bytes:
    """An image's configuration; its hash is the image's id."""
    return f"image {service} {number}".encode()


def digest(service: str, number: int) -> str:
    """The digest by which a registry knows an image."""
    return _digest_of(_document(service, number))


def _image(service: str, number: int) -> Image:
    return Image(reference=f"registry/{service}:{number}", digest=digest(service, number), size=1000)


def _layer(service: str, number: int) -> bytes:
    return f"layer of {service} {number}\n".encode() * 20


def _document(service: str, number: int) -> bytes:
    config, layer = configuration(service, number), _layer(service, number)
    entries = [{"digest": _digest_of(data), "size": len(data)} for data in (config, layer)]
    return json.dumps({"mediaType": oci.MANIFEST_TYPE, "config": entries[0], "layers": entries[1:]}).encode()


def _digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


# -- a repository and a bundle ------------------------------------------------------------------------


def publish(directory: Path) -> None:
    """Lay out a repository that has the update, a bundle of it, and the root that both are trusted by."""
    for path, data in _published().items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


@functools.cache
def _published() -> dict[str, bytes]:
    """The signed files by relative path, made once for all gateways of this process."""
    key = CryptoSigner.generate_ed25519()
    now = datetime.now(UTC)
    verified, contents = release()
    targets = {layout.file_path(NEW, dest): data for dest, data in contents.items()}
    with tempfile.TemporaryDirectory() as name:
        store = DirectoryOfBytes(Path(name))
        root = initialise(store, key, key.public_key, key, key, now)
        publishing.release(Repository(store, root), verified.raw, targets, [key], OnlineSigners.one(key), now)
        found = {f"{REPOSITORY}/{path}": store.get(path) for path in store.list("")}
        return {**found, ROOT: root, BUNDLE: _bundle(Repository(store, root))}


def _bundle(repository: Repository) -> bytes:
    metadata, _ = repository.metadata()
    members = {bundle.HEADER_NAME: bundle.header(NEW)}
    members |= {bundle.METADATA + name: data for name, data in metadata.items()}
    blobs = [repository.store.get(target.key) for target in repository.targets_of(NEW)]
    for image in (("app", 2), ("extra", 1)):
        blobs += [_document(*image), configuration(*image), _layer(*image)]
    members |= {bundle.BLOBS + hashlib.sha256(data).hexdigest(): data for data in blobs}
    file = io.BytesIO()
    for name, data in members.items():
        bundle.write_member(file, name, len(data), iter([data]))
    bundle.write_end(file)
    return file.getvalue()
