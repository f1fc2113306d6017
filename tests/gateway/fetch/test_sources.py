"""Which update a gateway takes, from a real signed repository and from files on a stick."""

import json
import sys

import pytest

from ota_py.errors import IntegrityError, NotFoundError, OtaError, SignatureError, UsageError
from ota_py.gateway.fetch import sources
from ota_py.gateway.journal.journal import Journal
from ota_py.manifest import Compatibility
from ota_py.trust.keys.signers import sign_manifest
from tests.support.gateway import gateways
from tests.support.gateway.small_control_plane import SmallControlPlane
from tests.support.paths import ROOT
from tests.support.processes import captured


class Place:
    """A gateway that runs 1.1.0, and the operator's side of its repository."""

    def __init__(self, directory, publisher, journal):
        self.directory = directory
        self.publisher = publisher
        self.journal = journal
        self.config = gateways.read(directory)
        self.trust = sources.trust_client(self.config, journal)

    def publish(self, version, **fields):
        self.publisher.publish(self.publisher.manifest(version, **fields))

    def newest(self):
        found = sources.newest(self.trust, self.config, self.journal)
        return found and found.verified.manifest.version

    def stick(self, manifest, raw=None):
        path = self.directory / "manifest.json"
        signature = sign_manifest(manifest.to_bytes(), [self.publisher.signers["release"]])
        path.write_bytes(raw or manifest.to_bytes())
        path.with_name("manifest.json.sig").write_bytes(signature)
        return path


@pytest.fixture
def place(tmp_path, publisher, served):
    path = gateways.write(tmp_path)
    (tmp_path / "root.json").write_bytes(publisher.root)
    text = path.read_text().replace(f"file://{tmp_path}/repository", served)
    path.write_text(f'root = "{tmp_path}/root.json"\n{text}')
    with Journal(gateways.read(tmp_path)) as journal:
        yield Place(tmp_path, publisher, journal)


def test_nothing_newer_is_none(place):
    assert place.newest() is None
    place.publish("1.0.0")
    place.publish("1.1.0")
    assert place.newest() is None


def test_the_newest_is_taken_by_precedence_of_versions(place):
    for version in ("1.9.0", "1.10.0", "1.10.0-rc.1"):
        place.publish(version)
    assert place.newest() == "1.10.0"


def test_what_does_not_fit_is_passed_over(place):
    place.publish("1.2.0")
    place.publish("1.3.0", compatibility=Compatibility(groups=["elsewhere"]))
    place.publish("1.4.0", compatibility=Compatibility(min_version="1.3.0"))
    assert place.newest() == "1.2.0"


def test_what_was_rolled_back_here_is_passed_over(place):
    place.publish("1.2.0")
    place.publish("1.3.0")
    with place.journal.write("test") as connection:
        connection.execute("INSERT INTO known_bad VALUES ('1.3.0', 'id', 'unhealthy', '2026-01-01T00:00:00Z')")
    assert place.newest() == "1.2.0"


def test_a_version_by_name(place):
    place.publish("1.2.0")
    assert sources.from_repository(place.trust, "1.2.0").verified.manifest.version == "1.2.0"
    with pytest.raises(NotFoundError):
        sources.from_repository(place.trust, "1.3.0")
    with pytest.raises(UsageError, match="not a semantic version"):
        sources.from_repository(place.trust, "../1.2.0")


def test_a_stick_brings_manifest_and_files(place):
    file = place.publisher.file("1.2.0", "config/bridge.conf", b"threshold=1\n")
    source = sources.from_file(place.trust, place.stick(place.publisher.manifest("1.2.0", files=[file])))
    beside = place.directory / "files" / "config" / "bridge.conf"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(b"threshold=1\n")
    assert source.fetch(file) == b"threshold=1\n"
    beside.write_bytes(b"threshold=2\n")
    with pytest.raises(IntegrityError, match=r"config/bridge\.conf"):
        source.fetch(file)


def test_a_stick_with_an_altered_manifest_is_refused(place):
    manifest = place.publisher.manifest("1.2.0")
    path = place.stick(manifest, raw=manifest.to_bytes().replace(b'"critical": false', b'"critical": true'))
    with pytest.raises(SignatureError):
        sources.from_file(place.trust, path)


def test_a_stick_without_its_files_is_named(place):
    with pytest.raises(NotFoundError, match=r"manifest\.json does not exist"):
        sources.from_file(place.trust, place.directory / "manifest.json")
    path = place.stick(place.publisher.manifest("1.2.0"))
    path.with_name("manifest.json.sig").unlink()
    with pytest.raises(NotFoundError, match=r"manifest\.json\.sig does not exist"):
        sources.from_file(place.trust, path)
    path.write_bytes(b" " * 1_000_000)
    with pytest.raises(OtaError, match="larger than"):
        sources.from_file(place.trust, path)


def run(place, *arguments):
    return captured(
        [sys.executable, str(ROOT / "ota_client.py"), *arguments],
        environment={"OTA_GATEWAY_CONFIG": str(place.directory / "gateway.toml")},
    )


def test_check_tells_what_is_newer_and_what_is_assigned(place):
    place.publish("1.2.0")
    place.publish("1.3.0")
    control_plane = SmallControlPlane().start()
    control_plane.assigned = {"version": "1.2.0", "rollout": 7, "critical": False}
    with open(place.directory / "gateway.toml", "a") as file:
        file.write(f'[api]\nurl = "{control_plane.url}"\ntoken_file = "{place.directory}/token"\n')
    (place.directory / "token").write_text(control_plane.token)
    done = run(place, "check", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["current"], found["newest"]) == ("1.1.0", "1.3.0")
    assert [update["version"] for update in found["available"]] == ["1.2.0", "1.3.0"]
    assert found["assigned"] == {"version": "1.2.0", "rollout": 7}
    control_plane.stop()
    done = run(place, "update")
    assert done.returncode == 10  # a staged rollout is not overtaken because its control plane is away
    assert control_plane.url in done.stderr
