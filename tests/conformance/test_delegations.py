"""Roles that the release role delegates to: heard beside the updates, never about one (ADR 0021)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import DelegatedRole, Delegations, MetaFile, Snapshot, TargetFile, Targets

from ota_py.errors import NotFoundError, OtaError, RepositoryError, TrustError
from ota_py.trust import layout
from ota_py.trust.documents.metadata import meta_of
from ota_py.trust.fetch.client import TrustClient
from tests.conformance.command import Client, forger, mirror, publisher, signers, tuf
from tests.support.trust.published import MemoryFloor
from tests.support.trust.simulator import Forger, Mirror

__all__ = ["forger", "mirror", "publisher", "signers", "tuf"]

BESIDE = "notes/read me.txt"
GUEST = CryptoSigner.generate_ed25519()


def listing(forger: Forger, contents: dict[str, bytes]) -> Targets:
    """A list of targets, which the mirror has; each looks like an update's manifest."""
    listed = Targets(expires=datetime.now(UTC) + timedelta(days=1))
    for path, data in contents.items():
        listed.targets[path] = TargetFile.from_data(path, data, ["sha256"])
        listed.targets[path].unrecognized_fields["custom"] = {"version": "9.9.9"}
        forger.mirror.instead[layout.target_key(path, listed.targets[path].hashes["sha256"])] = data
    return listed


def delegation(*to: tuple[str, Signer, list[str]]) -> Delegations:
    """To roles by name, each with its key and the paths that it may list."""
    keys = {signer.public_key.keyid: signer.public_key for _, signer, _ in to}
    roles = {
        name: DelegatedRole(name, [signer.public_key.keyid], 1, terminating=False, paths=paths)
        for name, signer, paths in to
    }
    return Delegations(keys, roles)


def serve(
    forger: Forger, top: Delegations, roles: dict[str, tuple[Targets, Signer]], length: int | None = None
) -> None:
    """Have the release key delegate, and serve what its roles signed.

    Args:
        length: bytes that the snapshot says their metadata has.
    """

    def with_delegations(targets: Targets) -> None:
        targets.version += 1
        targets.delegations = top

    data = forger.forge(Targets.type, with_delegations, "release")
    forger.mirror.instead["metadata/3.targets.json"] = data
    for name, (listed, signer) in roles.items():
        forger.signers[name] = signer
        forger.mirror.instead[f"metadata/1.{name}.json"] = forger.sign(listed, name)

    def with_roles(snapshot: Snapshot) -> None:
        snapshot.version += 1
        snapshot.meta["targets.json"] = meta_of(3, data)
        snapshot.meta |= {f"{name}.json": MetaFile(1, length) for name in roles}

    forger.serve_snapshot(forger.forge(Snapshot.type, with_roles, "online"))


def delegate(
    forger: Forger,
    name: str,
    contents: dict[str, bytes],
    guest: Signer = GUEST,
    length: int | None = None,
    **changes: Any,
) -> None:
    """Have the release key delegate every path to one role; `changes` are made to that role's metadata."""
    listed = listing(forger, contents)
    for attribute, value in changes.items():
        setattr(listed, attribute, value)
    top = delegation((name, guest, ["*", "*/*", "*/*/*", "*/*/*/*"]))
    serve(forger, top, {name: (listed, guest)}, length)


@pytest.fixture
def gateway(tmp_path: Path, mirror: Mirror) -> TrustClient:
    (tmp_path / "root.json").write_bytes(mirror.publisher.root)
    return TrustClient(tmp_path / "root.json", tmp_path / "cache", mirror.url, MemoryFloor())


@pytest.mark.parametrize("name", ["guest", "?", "#", "/guest", "../../guest"])
def test_a_target_beside_the_updates_is_found(tuf: Client, forger: Forger, name: str) -> None:
    delegate(forger, name, {BESIDE: b"hello"})
    assert tuf.download(BESIDE) == 0
    (written,) = tuf.targets.iterdir()
    assert written.read_bytes() == b"hello"
    assert tuf.download("notes/another") == 1
    assert len(tuf.versions()) == 5
    assert not list(tuf.metadata.parent.glob("*guest*"))


@pytest.mark.case("A07")
def test_a_delegated_role_adds_no_update(gateway: TrustClient, mirror: Mirror, forger: Forger) -> None:
    """Not in the list, not by its name, and no file of one that is in the list."""
    manifest = mirror.publisher.manifest("9.9.9").to_bytes()
    path, another = layout.manifest_path("9.9.9"), layout.file_path("1.1.0", "compose.yaml")
    delegate(forger, "guest", {path: manifest, layout.signature_path("9.9.9"): b"{}", another: b"services:"})
    assert [update.version for update in gateway.updates()] == ["1.1.0"]
    with pytest.raises(NotFoundError, match=r"no update 9\.9\.9"):
        gateway.fetch_manifest("9.9.9")
    for name in (path, another):
        with pytest.raises(RepositoryError, match=f"does not list {name}"):
            gateway.fetch_target(name, 1000)
        with pytest.raises(RepositoryError, match=f"does not list {name}"):
            list(gateway.stream(name, "00"))
    assert gateway.target_hashes("9.9.9") == set()
    assert not [asked for asked in mirror.requests if "guest" in asked or "9.9.9" in asked]


@pytest.mark.case("A07")
def test_what_the_release_role_lists_itself_comes_first(gateway: TrustClient, forger: Forger) -> None:
    delegate(forger, "guest", {layout.manifest_path("1.1.0"): b"another"})
    assert gateway.fetch_manifest("1.1.0").manifest.version == "1.1.0"


def test_a_role_counts_for_who_delegates_to_it_by_the_key_that_signed_it(tuf: Client, forger: Forger) -> None:
    """Two delegate to one role, with different keys: that it was believed for one is nothing to the other."""
    key, another = GUEST, CryptoSigner.generate_ed25519()
    one, two = listing(forger, {}), listing(forger, {})
    one.delegations = delegation(("shared", key, ["one/*"]))
    two.delegations = delegation(("shared", another, ["two/*"]))
    shared = listing(forger, {"one/x": b"1", "two/x": b"2"})
    top = delegation(("one", key, ["one/*"]), ("two", key, ["two/*"]))
    serve(forger, top, {"one": (one, key), "two": (two, key), "shared": (shared, key)})
    assert tuf.download("one/x", "two/x") == 1
    assert [path.read_bytes() for path in tuf.targets.iterdir()] == [b"1"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expires": datetime(2026, 1, 2, tzinfo=UTC)}, "expired"),
        ({"version": 2}, "Expected guest v1, got v2"),
    ],
    ids=["expired", "version"],
)
def test_a_delegated_role_is_checked_like_any_other(
    gateway: TrustClient, forger: Forger, changes: dict[str, Any], words: str
) -> None:
    delegate(forger, "guest", {BESIDE: b"hello"}, **changes)
    with pytest.raises(OtaError, match=words):
        gateway.fetch_target(BESIDE, 1000)


def test_a_weak_key_counts_for_a_delegated_role_no_more_than_for_root(gateway: TrustClient, forger: Forger) -> None:
    weak = CryptoSigner.generate_rsa(size=1024)
    delegate(forger, "guest", {BESIDE: b"hello"}, weak)
    with pytest.raises(TrustError, match="has 1024 bits, expected at least 2048"):
        gateway.fetch_target(BESIDE, 1000)


@pytest.mark.case("A06")
def test_a_stolen_online_key_cannot_raise_the_limit_of_a_delegated_role(
    gateway: TrustClient, mirror: Mirror, forger: Forger
) -> None:
    delegate(forger, "guest", {BESIDE: b"hello"}, length=10**12)
    mirror.instead["metadata/1.guest.json"] = b" " * 5_100_000
    with pytest.raises(RepositoryError, match="exceeding the maximum allowed length of 5000000"):
        gateway.fetch_target(BESIDE, 1000)
