"""The drills of docs/key-drills.md, with the real commands, and gateways that follow over HTTP.

Machines are directories: what is not in a directory, its person does not have. One gateway asks all the time,
the other slept since its installation.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata

from ota_py.errors import FreshnessError, OtaError, SignatureError
from ota_py.gateway.fetch import freshness
from ota_py.gateway.fetch.sources import from_bundle
from ota_py.gateway.journal.floor import JournalFloor
from ota_py.gateway.journal.journal import Journal
from ota_py.trust.documents.metadata import OnlineSigners, meta_of, snapshot_metadata, timestamp_metadata
from ota_py.trust.fetch.client import TrustClient
from ota_py.trust.keys.signers import import_public, load_signer
from ota_py.trust.verify import METADATA_VERSION_MAX, VerifiedManifest
from tests.support.gateway import gateways
from tests.support.http_servers import serving_directory
from tests.support.manager.fleets import Fleet, Manager
from tests.support.trust.online import online_metadata


@dataclass
class Machine:
    """A person's machine, and the commands typed there."""

    directory: Path
    ota: Manager
    patch: pytest.MonkeyPatch

    def __call__(self, *arguments: str) -> str:
        """Run a command, which succeeds; its output."""
        self.patch.chdir(self.directory)
        done = self.ota(*arguments)
        assert done.status == 0, done.err + done.out
        return done.out + done.err

    def fails(self, *arguments: str) -> str:
        self.patch.chdir(self.directory)
        done = self.ota(*arguments)
        assert done.status != 0, done.out
        return done.err

    def ids(self, role: str) -> list[str]:
        self.patch.chdir(self.directory)
        return [key["id"] for key in self.ota("keys", "list", "--json").json["roles"][role]["keys"]]

    def signers(self) -> dict[str, list[str]]:
        """The signers of each update, as the control plane knows them."""
        updates = json.loads(self("list-updates", "--json"))["updates"]
        return {update["version"]: update["key_ids"] for update in updates}


@dataclass
class Gateway:
    """A gateway's trust, its journal included; a new client each time, as a new process has."""

    directory: Path
    url: str
    journal: Journal

    def client(self) -> TrustClient:
        config = gateways.read(self.directory)
        return TrustClient(config.root, config.trust_dir, self.url, JournalFloor(self.journal))

    def lose_cache(self) -> None:
        shutil.rmtree(gateways.read(self.directory).trust_dir)

    def updates(self) -> list[str]:
        return [update.version for update in self.client().updates()]

    def installs(self, version: str) -> VerifiedManifest:
        return self.client().fetch_manifest(version)


@dataclass
class World:
    """The office that `init` made, its repository over HTTP, and its gateways."""

    office: Machine
    store: Path
    url: str
    directory: Path
    journals: contextlib.ExitStack

    def machine(self, name: str) -> Machine:
        """Another person's machine, which has nothing yet."""
        directory = self.directory / name
        directory.mkdir()
        return Machine(directory, self.office.ota, self.office.patch)

    def gateway(self, name: str) -> Gateway:
        """A gateway that is provisioned now."""
        directory = self.directory / name
        directory.mkdir()
        gateways.write(directory, extra=f'root = "{directory}/root.json"\n')
        shutil.copy(self.office.directory / "root.json", directory)
        journal = self.journals.enter_context(Journal(gateways.read(directory)))
        return Gateway(directory, self.url, journal)


@pytest.fixture
def world(fleet: Fleet, ota: Manager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    store = fleet.directory / "repository"
    with serving_directory(store) as url, contextlib.ExitStack() as journals:
        yield World(Machine(fleet.directory, ota, monkeypatch), store, url, tmp_path, journals)


@pytest.fixture
def awake(world: World) -> Gateway:
    """A gateway that refreshes after each step."""
    return world.gateway("awake")


@pytest.fixture
def asleep(world: World) -> Gateway:
    """A gateway that has not refreshed since the first update."""
    return world.gateway("asleep")


def release(machine: Machine, version: str) -> None:
    machine("create-update", "--version", version, "--file", "ota.toml:a.conf", "--yes")


def test_the_release_key_was_stolen(world: World, awake: Gateway, asleep: Gateway) -> None:
    office = world.office
    release(office, "1.0.0")
    assert awake.updates() == asleep.updates() == ["1.0.0"]
    # The thief takes the machine that releases: both keys, but not root's, which is elsewhere.
    thief = world.machine("thief")
    shutil.copytree(office.directory / "keys", thief.directory / "keys")
    (thief.directory / "keys/root.pem").unlink()
    for name in ("ota.toml", "root.json", "operator-token"):
        shutil.copy(office.directory / name, thief.directory)
    (thief.directory / "repository").symlink_to(world.store)
    release(thief, "6.6.6")
    assert awake.updates() == ["1.0.0", "6.6.6"]
    stolen = awake.installs("6.6.6")
    old = office.ids("release")[0]

    office("keys", "rotate", "online", "--yes", "--unencrypted")
    office("keys", "init", "keys/release-3.pem", "--unencrypted")
    refusal = office.fails("keys", "revoke", "release", old, "--to", "keys/release-3.pem", "--yes")
    assert "too few of the keys that remain signed these updates: 1.0.0, 6.6.6" in refusal
    answer = office(*("keys", "revoke", "release", old[:8], "--to", "keys/release-3.pem", "--resign", "1.0.0", "--yes"))
    assert f"- {old[:16]} counts no more" in answer
    assert "Taken off the list, no gateway installs them any more: 6.6.6." in answer
    new = office.ids("release")[0]
    assert new != old
    # The control plane shows who signed it now, not the key that was stolen.
    assert office.signers() == {"1.0.0": [new], "6.6.6": [old]}

    for gateway in (awake, asleep, world.gateway("new")):
        assert gateway.updates() == ["1.0.0"]
        assert gateway.installs("1.0.0").key_ids == (new,)
        with pytest.raises(SignatureError, match="manifest is signed by 0 of the release keys, expected 1"):
            gateway.client().verify_local(stolen.raw, stolen.signature)
    # A gateway without a network follows by the next bundle.
    offline = world.gateway("offline")
    shutil.copy(thief.directory / "root.json", offline.directory)
    assert offline.client().verify_local(stolen.raw, stolen.signature)
    office("export-bundle", "--version", "1.0.0", "--output", "stick")
    freshness.record_problem(offline.journal, "expired, and newer cannot be had")
    source = from_bundle(gateways.read(offline.directory), offline.journal, office.directory / "stick")
    assert source.verified.key_ids == (new,)
    assert source.bundle
    source.bundle.close()
    assert freshness.problem(offline.journal) == ""
    with pytest.raises(SignatureError, match="manifest is signed by 0 of the release keys, expected 1"):
        offline.client().verify_local(stolen.raw, stolen.signature)
    # A gateway whose cache is gone does not fall back to the root that it was installed with.
    awake.lose_cache()
    with pytest.raises(FreshnessError, match="root metadata is version 1, expected at least 3"):
        awake.client().verify_local(stolen.raw, stolen.signature)
    # And the thief's keys are good for nothing.
    assert "is not the private key of" in thief.fails(
        *("create-update", "--version", "6.6.7", "--file", "ota.toml:a.conf", "--yes")
    )
    release(office, "1.1.0")
    assert asleep.updates() == ["1.0.0", "1.1.0"]


def test_the_online_key_was_stolen(world: World, awake: Gateway, asleep: Gateway) -> None:
    office = world.office
    release(office, "1.0.0")
    assert asleep.updates() == ["1.0.0"]
    office("keys", "renew", "--yes")  # so that the one that sleeps has more than one version to follow
    honest = (world.store / "metadata/timestamp.json").read_bytes()
    stolen = office.directory / "keys/online.pem"
    fast_forward(world, stolen)
    assert awake.updates() == ["1.0.0"]
    forged = (world.store / "metadata/timestamp.json").read_bytes()
    # Nothing that the stolen key could sign helps now: not the true timestamp, not a new one.
    (world.store / "metadata/timestamp.json").write_bytes(honest)
    with pytest.raises(FreshnessError):
        awake.updates()
    awake.lose_cache()
    with pytest.raises(FreshnessError, match=f"expected at least {METADATA_VERSION_MAX}"):
        awake.updates()
    (world.store / "metadata/timestamp.json").write_bytes(forged)
    assert "run `ota_manager.py keys rotate online`" in office.fails("renew")

    office("keys", "rotate", "online", "--yes", "--unencrypted")
    for gateway in (awake, asleep):
        assert gateway.updates() == ["1.0.0"]
    assert Metadata.from_file(str(world.store / "metadata/timestamp.json")).signed.version == 1
    release(office, "1.1.0")
    for gateway in (awake, asleep):
        assert gateway.updates() == ["1.0.0", "1.1.0"]
    # What the thief signed counts no more, and the floor holds for the new key as for any.
    now = (world.store / "metadata/timestamp.json").read_bytes()
    (world.store / "metadata/timestamp.json").write_bytes(forged)
    with pytest.raises(OtaError, match="timestamp was signed by 0/1 keys"):
        awake.updates()
    (world.store / "metadata/timestamp.json").write_bytes(now)
    assert awake.updates() == ["1.0.0", "1.1.0"]


def test_the_timestamp_key_of_a_control_plane_was_stolen(world: World, awake: Gateway, asleep: Gateway) -> None:
    office, serve = world.office, world.machine("serve")
    serve("keys", "init", "serve.pem", "--unencrypted")
    shutil.copy(serve.directory / "serve.pub", office.directory)
    office("keys", "add", "timestamp", "serve.pub", "--yes")
    for name in ("root.json", "operator-token"):
        shutil.copy(office.directory / name, serve.directory)
    text = (office.directory / "ota.toml").read_text()
    text = text.replace('timestamp = "file:keys/online.pem"', 'timestamp = "file:serve.pem"')
    (serve.directory / "ota.toml").write_text(text.replace("file:repository", f"file:{world.store}"))
    release(office, "1.0.0")
    timestamp = world.store / "metadata/timestamp.json"
    old = Metadata.from_file(str(timestamp)).signed.snapshot_meta
    serve("renew")
    assert asleep.updates() == ["1.0.0"]
    release(office, "1.1.0")
    assert awake.updates() == ["1.0.0", "1.1.0"]

    # The thief has what the control plane has. It cannot show the list of yesterday as today's,
    honest = timestamp.read_bytes()
    _, public = import_public(f"file:{serve.directory}/serve.pem", str)
    signers = OnlineSigners.one(load_signer(f"file:{serve.directory}/serve.pem", public, str))
    number = Metadata.from_bytes(honest).signed.version + 1
    timestamp.write_bytes(timestamp_metadata(old, number, signers, datetime.now(UTC)))
    with pytest.raises(FreshnessError):
        awake.updates()
    # nor sign a list of its own as being in force; only make them wait for a number.
    forged = snapshot_metadata(3, b"{}", old.version + 5, signers, datetime.now(UTC))
    (world.store / f"metadata/{old.version + 5}.snapshot.json").write_bytes(forged)
    leading = timestamp_metadata(meta_of(old.version + 5, forged), number, signers, datetime.now(UTC))
    timestamp.write_bytes(leading)
    with pytest.raises(OtaError, match="snapshot was signed by 0/1 keys"):
        awake.updates()
    (world.store / f"metadata/{old.version + 5}.snapshot.json").unlink()
    timestamp.write_bytes(honest)

    stolen = next(key for key in office.ids("timestamp") if key not in office.ids("snapshot"))
    office("keys", "revoke", "timestamp", stolen, "--yes")
    assert office.ids("timestamp") == office.ids("snapshot")
    for gateway in (awake, asleep):
        assert gateway.updates() == ["1.0.0", "1.1.0"]
    timestamp.write_bytes(leading)
    with pytest.raises(OtaError, match="timestamp was signed by 0/1 keys"):
        awake.updates()


def fast_forward(world: World, key: Path) -> None:
    """Publish the highest versions there are, as a thief with the online key and the store can."""
    directory = world.store / "metadata"
    _, public = import_public(f"file:{key}", str)
    newest = max(int(path.name.split(".")[0]) for path in directory.glob("*.targets.json"))
    snapshot, timestamp = online_metadata(
        newest,
        (directory / f"{newest}.targets.json").read_bytes(),
        (METADATA_VERSION_MAX, METADATA_VERSION_MAX),
        load_signer(f"file:{key}", public, str),
    )
    (directory / f"{METADATA_VERSION_MAX}.snapshot.json").write_bytes(snapshot)
    (directory / "timestamp.json").write_bytes(timestamp)


def test_root_holders_changed(world: World, awake: Gateway, asleep: Gateway) -> None:
    office = world.office
    people = {name: world.machine(name) for name in ("alice", "bob", "carol", "dave")}
    for name, kind in zip(people, ("rsa-3072", "ed25519", "ecdsa-p256", "rsa-2048"), strict=True):
        people[name]("keys", "init", f"{name}.pem", "--type", kind, "--unencrypted")
        shutil.copy(people[name].directory / f"{name}.pub", office.directory)
    first = office.ids("root")[0]

    def sign(name: str, file: str) -> str:
        """Have a person sign the file, without ota.toml."""
        there = people[name].directory
        shutil.copy(office.directory / file, there)
        if not (there / "root.json").exists():
            shutil.copy(office.directory / "root.json", there)
        answer = people[name]("sign", file, "--key", f"file:{name}.pem", "--root", "root.json", "--yes")
        shutil.copy(there / file, office.directory)
        (there / "root.json").unlink()
        return answer

    # From one holder to two of three. The holder until now signs; the threshold after it needs the others.
    answer = office("keys", "rotate", "root", "--to", "alice.pub", "--yes")
    assert "Nothing has changed yet: more signatures are needed. Pass root-2.request.json on:" in answer
    assert awake.updates() == []
    sign("alice", "root-2.request.json")
    office("publish", "root-2.request.json")
    (office.directory / "keys/root.pem").unlink()
    office("keys", "add", "root", "bob.pub", "carol.pub", "--threshold", "2", "--yes")
    sign("alice", "root-3.request.json")
    early = office.fails("publish", "root-3.request.json")
    assert "3.root.json needs 1 more of the root keys after the change" in early
    assert "That was the last signature." in sign("bob", "root-3.request.json")
    office("publish", "root-3.request.json")

    # Carol leaves, Dave comes; Alice is on holiday.
    carol = json.loads(people["carol"]("keys", "export-public", "carol.pem", "--json"))["key_id"]
    office("keys", "rotate", "root", "--old", carol[:10], "--to", "dave.pub", "--yes")
    answer = sign("bob", "root-4.request.json")
    assert f"- {carol[:16]} counts no more" in answer
    assert "root keys before the change" in answer  # one of two there, too
    sign("dave", "root-4.request.json")
    # Dave counts after the change only: before it, another of the old ones must agree.
    assert "1 more of the root keys before the change" in office.fails("publish", "root-4.request.json")
    sign("alice", "root-4.request.json")
    office("publish", "root-4.request.json")

    release(office, "1.0.0")
    for gateway in (awake, asleep):
        assert gateway.updates() == ["1.0.0"]
        assert gateway.journal.read("SELECT version FROM floor WHERE role = 'root'")[0]["version"] == 4
    assert first not in office.ids("root")
    assert len(office.ids("root")) == 3

    # Who left cannot sign the next change.
    office("keys", "renew", "--yes")
    shutil.copy(office.directory / "root-5.request.json", people["carol"].directory)
    assert "is not the private key of" in people["carol"].fails(
        "sign", "root-5.request.json", "--key", "file:carol.pem", "--yes"
    )
