"""A real repository, made with real keys, served over HTTP on loopback."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from securesystemslib.signer import Signer

from ota_py.manifest import File, Image, Manifest
from ota_py.trust import layout
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.fetch.client import TrustClient
from ota_py.trust.keys.key_files import generate_key
from ota_py.trust.keys.signers import load_signer
from ota_py.trust.publish.initialise import initialise
from ota_py.trust.publish.release import release
from ota_py.trust.repository.repository import Repository
from tests.support.http_servers import serving_directory
from tests.support.trust.stores import DirectoryOfBytes

ROLES = ("root", "release", "online")


def no_passphrase() -> str:
    raise AssertionError("these keys are not encrypted")


@dataclass
class Publisher:
    """The operator's side: keys, store, and the root that gateways pin."""

    store: DirectoryOfBytes
    root: bytes
    signers: dict[str, Signer]

    def repository(self) -> Repository:
        return Repository(self.store, self.root)

    def manifest(self, version: str, **fields: object) -> Manifest:
        image = Image(
            reference="registry.example:5000/healthguard/mqtt-bridge:" + version,
            digest="sha256:" + hashlib.sha256(version.encode()).hexdigest(),
            size=1000,
        )
        values = {
            "fleet": "healthguard",
            "version": version,
            "created": "2026-01-01T00:00:00Z",
            "images": {"mqtt-bridge": image},
        }
        return Manifest(**{**values, **fields})

    def file(self, version: str, dest: str, data: bytes) -> File:
        path = layout.file_path(version, dest)
        return File(dest=dest, target=path, sha256=hashlib.sha256(data).hexdigest(), length=len(data))

    def publish(self, manifest: Manifest, files: dict[str, bytes] | None = None, now: datetime | None = None) -> None:
        release(
            self.repository(),
            manifest.to_bytes(),
            files or {},
            [self.signers["release"]],
            OnlineSigners.one(self.signers["online"]),
            now or datetime.now(UTC),
        )


@pytest.fixture(scope="session")
def signers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Signer]:
    directory = tmp_path_factory.mktemp("keys")
    result = {}
    for role in ROLES:
        path = directory / f"{role}.pem"
        key = generate_key(path, None)
        result[role] = load_signer(f"file:{path}", key, no_passphrase)
    return result


@pytest.fixture
def publisher(tmp_path: Path, signers: dict[str, Signer]) -> Publisher:
    store = DirectoryOfBytes(tmp_path / "store")
    root = initialise(
        store,
        signers["root"],
        signers["release"].public_key,
        signers["release"],
        signers["online"],
        datetime.now(UTC),
    )
    return Publisher(store, root, signers)


@pytest.fixture
def served(publisher: Publisher):
    """The base URL of the repository, by a real HTTP server."""
    with serving_directory(publisher.store.directory) as url:
        yield url


class MemoryFloor(dict):
    """The journal's floor table, without a journal."""

    def get(self, role: str) -> int:  # type: ignore[override]
        return super().get(role, 0)

    def raise_to(self, role: str, version: int) -> None:
        self[role] = max(self.get(role), version)


@dataclass
class Gateway:
    """A gateway's trust state on disk; `client()` is what a new process sees."""

    directory: Path
    url: str
    floor: MemoryFloor

    def client(self) -> TrustClient:
        return TrustClient(self.directory / "root.json", self.directory / "trust", self.url, self.floor)


@pytest.fixture
def gateway(tmp_path: Path, publisher: Publisher, served: str) -> Gateway:
    directory = tmp_path / "gateway"
    directory.mkdir()
    (directory / "root.json").write_bytes(publisher.root)
    return Gateway(directory, served, MemoryFloor())
