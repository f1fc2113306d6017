"""A gateway that has seen an honest repository, and what of it an attack may not change."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import Root, Snapshot, Timestamp

from ota_py.errors import OtaError
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.fetch import sources
from ota_py.gateway.journal.journal import Journal
from ota_py.trust import layout
from ota_py.trust.fetch.client import TrustClient
from ota_py.trust.keys.signers import sign_manifest
from tests.support.gateway import gateways
from tests.support.gateway.standing import standing
from tests.support.paths import ROOT
from tests.support.processes import captured
from tests.support.trust.published import Publisher
from tests.support.trust.simulator import Forger, Mirror

ROOT_FILES = {"metadata/root.json", "metadata/root_history/2.root.json"}
# What stands before a role in the TUF workflow has passed, and is kept (specification, 5.4.5, 5.5.7).
PASSED = {
    "root": set(),
    "timestamp": set(),
    "snapshot": {"metadata/timestamp.json"},
    "targets": {"metadata/timestamp.json", "metadata/snapshot.json"},
}


@dataclass
class Box:
    """A gateway that runs 1.1.0 and has seen 1.2.0 published."""

    directory: Path
    config: GatewayConfig
    mirror: Mirror
    forger: Forger
    publisher: Publisher

    def look(self, act: Callable[[TrustClient], Any] = TrustClient.refresh) -> Any:
        """Do something with a client as a new process would have it."""
        with Journal(self.config) as journal:
            return act(sources.trust_client(self.config, journal))

    def state(self) -> dict[str, object]:
        """The state of trust: the bytes of its trust cache, its floor, the installed version."""
        return standing(self.config)

    def refuses(
        self,
        kind: type[OtaError],
        words: str,
        act: Callable[[TrustClient], Any] = TrustClient.refresh,
        kept: set[str] = frozenset(),  # type: ignore[assignment]
    ) -> OtaError:
        """Assert that `act` is refused in these words, and changes nothing.

        Args:
            kept: files of the cache that do change: the TUF specification has a client keep each role as soon
                as that role has passed every check of its own, whatever becomes of the next one.
        """
        before = self.state()
        with pytest.raises(kind) as caught:
            self.look(act)
        assert type(caught.value) is kind, caught.value
        assert words in caught.value.message
        after = self.state()
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        assert changed == set(kept)
        assert after["installed"] == "1.1.0"
        return caught.value

    def heals(self) -> None:
        """All is well once the repository is honest again, and newer than what a thief made."""
        self.mirror.instead.clear()
        for version in ("1.2.1", "1.2.2"):
            self.publisher.publish(self.publisher.manifest(version))
        assert self.look(TrustClient.updates)[-1].version == "1.2.2"

    def command(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """`ota_client.py ... --json`, as people run it: its exit status and what it says."""
        done = captured(
            [sys.executable, str(ROOT / "ota_client.py"), *arguments, "--json"],
            environment={"OTA_GATEWAY_CONFIG": str(self.directory / "gateway.toml")},
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout)

    def stick(self, raw: bytes, signature: bytes | None = None) -> Path:
        """A manifest given by hand, signed by the release key unless a signature is given."""
        path = self.directory / "stick" / "manifest.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(raw)
        signed = sign_manifest(raw, [self.publisher.signers["release"]])
        path.with_name("manifest.json.sig").write_bytes(signature or signed)
        return path

    def publish_raw(self, version: str, raw: bytes, signature: bytes | None = None) -> None:
        """Have the release key list any bytes as the manifest of a version; publishing code would refuse."""
        from tuf.api.metadata import TargetFile

        signed = signature or sign_manifest(raw, [self.publisher.signers["release"]])
        contents = {layout.manifest_path(version): raw, layout.signature_path(version): signed}

        def add(targets: Any) -> None:
            for path, data in contents.items():
                entry = TargetFile.from_data(path, data, ["sha256"])
                targets.targets[path] = entry
                self.mirror.instead[layout.target_key(path, entry.hashes["sha256"])] = data
            targets.targets[layout.manifest_path(version)].unrecognized_fields["custom"] = {"version": version}

        self.forger.release(add)


@pytest.fixture(scope="session")
def stranger() -> Signer:
    """A key that nobody named."""
    return CryptoSigner.generate_rsa()


@pytest.fixture
def box(tmp_path: Path, publisher: Publisher, stranger: Signer) -> Iterator[Box]:
    publisher.publish(publisher.manifest("1.1.0"))
    file = publisher.file("1.2.0", "config/bridge.conf", b"topic a\n")
    publisher.publish(publisher.manifest("1.2.0", files=[file]), {file.target: b"topic a\n"})
    with Mirror(publisher).serving() as mirror:
        (tmp_path / "root.json").write_bytes(publisher.root)
        path = gateways.write(tmp_path, extra='hardware = "rpi4"\n')
        text = path.read_text().replace(f"file://{tmp_path}/repository", mirror.url)
        path.write_text(f'root = "{tmp_path}/root.json"\n{text}')
        forger = Forger(mirror, {**publisher.signers, "stranger": stranger})
        made = Box(tmp_path, gateways.read(tmp_path), mirror, forger, publisher)
        made.look()
        mirror.requests.clear()
        yield made


def now() -> datetime:
    return datetime.now(UTC)


def serve(forger: Forger, role: str, data: bytes) -> None:
    """Serve metadata of a role, with whatever leads to it in order."""
    if role == Root.type:
        forger.mirror.instead["metadata/2.root.json"] = data
    elif role == Timestamp.type:
        forger.mirror.instead["metadata/timestamp.json"] = data
    elif role == Snapshot.type:
        forger.serve_snapshot(data)
    else:
        forger.serve_targets(data)


def files_of(box: Box) -> set[str]:
    """All files of the machine's part that is ours, and what lies about it; not the metadata itself."""
    found = {str(path) for path in box.directory.parent.rglob("*") if "store" not in path.parts}
    return {name for name in found if "/trust/" not in name and "-wal" not in name and "-shm" not in name}


def ansible(box: Box, manifest: Path, *flags: str) -> tuple[int, str]:
    """Run the module `ota_apply` on this very gateway; its status and what it says, on one line."""
    options = f"manifest={manifest} directory={ROOT}"
    done = captured(
        ["ansible", "localhost", *flags, "-m", "ota_apply", "-a", options],
        cwd=box.directory,
        environment={
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "OTA_GATEWAY_CONFIG": str(box.directory / "gateway.toml"),
        },
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())
