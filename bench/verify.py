"""The cost of trust on a gateway: processor time from a manifest's bytes to a verdict, on one core."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import Signer

from bench.result import Comparison
from ota_py.manager.storage.store import DirectoryStore
from ota_py.manifest import Image, Manifest
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.fetch.carriers import DirectoryCarrier
from ota_py.trust.fetch.client import TrustClient
from ota_py.trust.keys.key_files import generate_key
from ota_py.trust.keys.signers import load_signer
from ota_py.trust.publish.initialise import initialise
from ota_py.trust.publish.release import release
from ota_py.trust.repository.repository import Repository
from ota_py.trust.verify import parse_root, verify_manifest

UPDATES = 200
ROUNDS = 20
REPEATS = 50
LIMIT_MS = 50.0


class _Floor(dict[str, int]):
    def get(self, role: str) -> int:  # type: ignore[override]
        return super().get(role, 0)

    def raise_to(self, role: str, version: int) -> None:
        self[role] = version


class _MemoryCarrier:
    """The repository's files in memory, so that no disk or network is measured."""

    def __init__(self, url: str) -> None:
        self._carrier = DirectoryCarrier(url)
        self._files: dict[str, bytes] = {}

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        if path not in self._files:
            self._files[path] = b"".join(self._carrier.stream(path))
        yield self._files[path][start:]


def run() -> list[Comparison]:
    """Measure verification on a repository of its own."""
    with tempfile.TemporaryDirectory(prefix="ota-bench-") as name:
        directory = Path(name)
        root_bytes, url = _repository(directory)
        (directory / "root.json").write_bytes(root_bytes)
        carrier = _MemoryCarrier(url)
        client = TrustClient(directory / "root.json", directory / "cache", url, _Floor(), carrier)
        found = client.fetch_manifest(f"1.{UPDATES - 1}.0")

        def whole() -> None:
            new = TrustClient(directory / "root.json", directory / "cache", url, _Floor(), carrier)
            new.fetch_manifest(f"1.{UPDATES - 1}.0")

        root = parse_root(root_bytes)
        bare = _bare(root.keys[found.key_ids[0]].keyval["public"], found.signature, found.raw)
        ours, theirs, all_in_all = [], [], []
        for _ in range(ROUNDS):
            theirs.append(_milliseconds(bare))
            ours.append(_milliseconds(lambda: verify_manifest(found.raw, found.signature, root)))
            all_in_all.append(_milliseconds(whole, 1))
    return [
        Comparison(
            "from a manifest's bytes to a verdict",
            "ms",
            ours,
            theirs,
            "the bare RSA check of the same signature",
            mark=5,
        ),
        Comparison(
            "all of it in a new process: root, a refresh, the manifest",
            "ms",
            all_in_all,
            [LIMIT_MS],
            "the limit set for it",
            mark=1.0,
            note=f"repository of {UPDATES} updates; its files come from memory",
        ),
    ]


def _repository(directory: Path) -> tuple[bytes, str]:
    signers = {role: _signer(directory / f"{role}.pem") for role in ("root", "release", "online")}
    store = DirectoryStore(directory / "repository")
    keys = signers["release"].public_key, signers["release"], signers["online"]
    root = initialise(store, signers["root"], *keys, datetime.now(UTC))
    for number in range(UPDATES):
        raw = _manifest(f"1.{number}.0").to_bytes()
        repository = Repository(store, root)
        release(repository, raw, {}, [signers["release"]], OnlineSigners.one(signers["online"]), datetime.now(UTC))
    return root, (directory / "repository").as_uri() + "/"


def _signer(path: Path) -> Signer:
    return load_signer(f"file:{path}", generate_key(path, None), lambda: "")


def _manifest(version: str) -> Manifest:
    images = {
        f"service-{number}": Image(reference=f"r.example/a/b:{version}", digest="sha256:" + "a" * 64, size=1)
        for number in range(6)
    }
    return Manifest(fleet="healthguard", version=version, created="2026-01-01T00:00:00Z", images=images)


def _bare(pem: str, signature_file: bytes, raw: bytes) -> Callable[[], None]:
    """The bare RSA-PSS check with a key that is loaded already: as little as can be done."""
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    signature = bytes.fromhex(json.loads(signature_file)["signatures"][0]["sig"])
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    return lambda: key.verify(signature, raw, scheme, hashes.SHA256())


def _milliseconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Milliseconds of processor time for one call."""
    began = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - began) / repeats * 1000
