"""The TUF client workflow, asked of the command as the TUF project's conformance suite asks its clients.

Not that suite (README.md says how it is run), but what of it concerns a gateway, and what running it found.
"""

from __future__ import annotations

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Root, Snapshot, TargetFile, Targets, Timestamp

from ota_py.trust import layout
from tests.conformance.command import Client, forger, mirror, publisher, signers, tuf
from tests.support.trust.simulator import Forger, Mirror

__all__ = ["forger", "mirror", "publisher", "signers", "tuf"]


def replace_online_key(forger: Forger, new: CryptoSigner) -> None:
    """Serve a root that names another key, `new`, for snapshot and timestamp."""
    forger.signers["new"] = new

    def rotate(root: Root) -> None:
        for role in (Snapshot.type, Timestamp.type):
            root.revoke_key(forger.signers["online"].public_key.keyid, role)
            root.add_key(new.public_key, role)

    forger.serve_root(rotate, "root")


def test_the_first_refresh_takes_the_roles_in_order_and_the_next_one_only_what_changed(
    tuf: Client, mirror: Mirror
) -> None:
    assert tuf.versions() == {"root": 1}
    assert tuf.refresh_in_a_process() == 0
    names = ["2.root", "timestamp", "2.snapshot", "2.targets"]
    assert mirror.requests == [f"metadata/{name}.json" for name in names]
    assert tuf.versions() == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}
    assert tuf.refresh() == 0
    assert mirror.requests == ["metadata/2.root.json", "metadata/timestamp.json"]


def test_a_chain_of_roots_is_walked_one_by_one(tuf: Client, mirror: Mirror, forger: Forger) -> None:
    for version in (2, 3, 4):
        forger.serve_root(lambda root: None, "root", version=version)
    assert tuf.refresh() == 0
    assert mirror.requests[:4] == [f"metadata/{version}.root.json" for version in (2, 3, 4, 5)]
    assert tuf.versions()["root"] == 4


def test_the_roles_before_a_refused_one_are_kept(tuf: Client, mirror: Mirror, forger: Forger) -> None:
    assert tuf.refresh() == 0
    forger.serve_snapshot(forger.forge(Snapshot.type, lambda s: setattr(s, "version", 3)))
    assert tuf.refresh() == 1
    assert tuf.versions() == {"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2}


def test_a_rollback_is_refused_and_the_same_again_is_not(tuf: Client, mirror: Mirror) -> None:
    old = mirror.publisher.store.get("metadata/timestamp.json")
    mirror.publisher.publish(mirror.publisher.manifest("1.2.0"))
    assert (tuf.refresh(), tuf.refresh()) == (0, 0)
    mirror.instead["metadata/timestamp.json"] = old
    assert tuf.refresh_in_a_process() == 1
    assert tuf.versions() == {"root": 1, "timestamp": 3, "snapshot": 3, "targets": 3}


def test_a_fast_forward_is_undone_by_a_new_key(tuf: Client, mirror: Mirror, forger: Forger) -> None:
    """Specification, 5.3.11: when their keys change, timestamp and snapshot begin anew."""

    def ahead(timestamp: Timestamp) -> None:
        timestamp.version = 99_999

    forger.serve_timestamp(ahead, "online")
    assert tuf.refresh() == 0
    assert tuf.versions()["timestamp"] == 99_999
    mirror.instead.clear()
    assert tuf.refresh() == 1
    replace_online_key(forger, CryptoSigner.generate_rsa())
    forger.serve_targets(mirror.publisher.store.get("metadata/2.targets.json"), online="new")
    assert tuf.refresh() == 0
    assert tuf.versions() == {"root": 2, "timestamp": 3, "snapshot": 3, "targets": 2}


def test_a_target_is_what_was_listed_or_nothing(tuf: Client, mirror: Mirror) -> None:
    name = layout.manifest_path("1.1.0")
    assert tuf.download("no/such/target") == 1
    assert tuf.download(name) == 0
    (written,) = tuf.targets.iterdir()
    honest = mirror.publisher.manifest("1.1.0").to_bytes()
    assert written.read_bytes() == honest
    written.unlink()
    (key,) = [path for path in mirror.requests if path.endswith(".manifest.json")]
    mirror.instead[key] = honest.replace(b"1.1.0", b"9.9.9", 1)
    assert tuf.download(name) == 1
    assert list(tuf.targets.iterdir()) == []


def test_what_is_there_already_is_not_fetched_again(tuf: Client, mirror: Mirror) -> None:
    name = layout.manifest_path("1.1.0")
    assert (tuf.download(name), tuf.download(name)) == (0, 0)
    assert mirror.targets_requested() == []
    (written,) = tuf.targets.iterdir()
    written.write_bytes(b"rotten")
    assert tuf.download(name) == 0
    assert mirror.targets_requested() == ["manifest.json"]
    assert written.read_bytes() == mirror.publisher.manifest("1.1.0").to_bytes()


def test_the_list_of_updates_does_not_go_back_when_the_online_key_changes(
    tuf: Client, mirror: Mirror, forger: Forger
) -> None:
    """Stricter than python-tuf, which lets targets begin anew with the key of snapshot: ADR 0021."""
    old = mirror.publisher.store.get("metadata/2.targets.json")
    mirror.publisher.publish(mirror.publisher.manifest("1.2.0"))
    assert tuf.refresh() == 0
    replace_online_key(forger, CryptoSigner.generate_ed25519())
    forger.serve_targets(old, online="new")
    assert tuf.refresh() == 1
    assert tuf.versions() == {"root": 2, "timestamp": 3, "snapshot": 3, "targets": 3}


def test_names_that_need_care_in_urls_and_paths(tuf: Client, mirror: Mirror, forger: Forger) -> None:
    names = ["a name with spaces", "percent %41", "über/straße", "question?mark#hash"]

    def add(targets: Targets) -> None:
        for name in names:
            entry = TargetFile.from_data(name, name.encode(), ["sha256"])
            targets.targets[name] = entry
            mirror.publisher.store.put(layout.target_key(name, entry.hashes["sha256"]), name.encode(), "")

    forger.release(add)
    got = {name: tuf.download(name) for name in names}
    written = sorted(path.read_bytes().decode() for path in tuf.targets.iterdir())
    assert written == sorted(name for name, status in got.items() if status == 0)
    assert all(path.parent == tuf.targets for path in tuf.targets.rglob("*"))
    assert got["a name with spaces"] == got["über/straße"] == 0
