"""Bad input: it gets a message with what to do, a documented exit status, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota_py.manager.registry.references import parse_reference
from tests.support.manager.fleets import IMAGES, Fleet, Manager, Result
from tests.support.manager.oci_images import push_image
from tests.support.ports import free_port


def refused(fleet: Fleet, ota: Manager, status: int, *messages: str, arguments: tuple[str, ...]) -> Result:
    before = fleet.state()
    done = ota(*arguments)
    assert fleet.state() == before
    assert done.status == status, done.err
    for message in messages:
        assert message in done.err
    assert "Traceback" not in done.err
    return done


def create(*arguments: str, version: str = "1.2.0", images: str = IMAGES) -> tuple[str, ...]:
    return "create-update", "--version", version, "--images", images, *arguments


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("{", "--images is not valid JSON: Expecting property name"),
        ("[1]", "--images does not map service names to image names"),
        ('{"a": 1}', "--images does not map service names to image names"),
        ('{"a": "x:1", "a": "x:2"}', "--images is not valid JSON: the key 'a' stands twice"),
        ('{"a": "x"}', "the image 'x' has no tag"),
        ('{"a": "UPPER/case:1"}', "'UPPER/case:1' is not an image reference"),
        ('{"a b": "healthguard/mqtt-bridge:1.2.0"}', "the update cannot be made: images.a b"),
        ("{}", "the update changes nothing"),
    ],
)
def test_images(fleet: Fleet, ota: Manager, images: str, message: str) -> None:
    refused(fleet, ota, 2, message, arguments=create(images=images))


@pytest.mark.parametrize("version", ["1.2", "v1.2.0", "1.2.0-", "", "1.2.0\n", "1" * 70 + ".0.0"])
def test_version_that_is_not_semantic(fleet: Fleet, ota: Manager, version: str) -> None:
    refused(
        fleet,
        ota,
        2,
        "is not a semantic version",
        "use MAJOR.MINOR.PATCH, for example 1.2.0",
        arguments=create(version=version),
    )


@pytest.mark.parametrize("version", ["1.1.9", "1.2.0-rc.1", "1.2.0+build.7"])
def test_version_that_is_not_newer(fleet: Fleet, ota: Manager, version: str) -> None:
    assert ota.create().status == 0
    message = f"version {version} is not newer than 1.2.0, which is published"
    refused(fleet, ota, 2, message, "such as 1.2.1", arguments=create(version=version))


def test_an_older_version_is_allowed_when_asked_for(ota: Manager) -> None:
    assert ota.create().status == 0
    assert ota.create("1.1.9", "--allow-downgrade").status == 0
    assert ota("verify", "1.1.9", "--json").json["manifest"]["compatibility"]["allow_downgrade"] is True


def test_tag_that_the_registry_does_not_have(fleet: Fleet, ota: Manager, registry: str) -> None:
    refused(
        fleet,
        ota,
        6,
        f"the registry {registry} does not have the image {registry}/healthguard/mqtt-bridge:9.9.9",
        "push the image first",
        arguments=create(images='{"mqtt-bridge": "healthguard/mqtt-bridge:9.9.9"}'),
    )


def test_unreachable_registry(fleet: Fleet, ota: Manager, registry: str) -> None:
    fleet.change(registry, dead := f"127.0.0.1:{free_port()}")
    message = f"the registry {dead} cannot be reached to resolve {dead}/healthguard/mqtt-bridge:1.2.0"
    refused(fleet, ota, 10, message, "Connection refused", arguments=create())


def test_unreachable_control_plane(fleet: Fleet, ota: Manager) -> None:
    fleet.change(fleet.control_plane_url, dead := f"http://127.0.0.1:{free_port()}")
    message = f"the control plane at {dead} cannot be reached: Connection refused"
    refused(fleet, ota, 10, message, "is `ota_manager.py serve` running there", arguments=create())


def test_token_that_the_control_plane_refuses(fleet: Fleet, ota: Manager) -> None:
    (fleet.directory / "operator-token").write_text("ota_wrong\n")
    refused(fleet, ota, 10, "refused the token", arguments=create())


def test_token_that_others_can_read(fleet: Fleet, ota: Manager) -> None:
    (fleet.directory / "operator-token").chmod(0o644)
    refused(fleet, ota, 3, "can be read by others (mode 0644, expected 0600)", arguments=create())


def test_missing_store(fleet: Fleet, ota: Manager) -> None:
    fleet.change("file:repository", "file:elsewhere")
    refused(fleet, ota, 6, "elsewhere has no metadata/timestamp.json", arguments=create())


def test_service_that_the_compose_file_lacks(fleet: Fleet, ota: Manager) -> None:
    Path("now.yml").write_text("services: {bridge: {image: x}, api: {image: x}}\n")
    with fleet.config.open("a") as file:
        file.write('\n[defaults]\ncompose = "now.yml"\n')
    refused(
        fleet,
        ota,
        2,
        "now.yml has no service mqtt-bridge",
        "did you mean bridge? it has: api, bridge",
        arguments=create(),
    )


@pytest.mark.parametrize(
    ("compose", "message"),
    [
        ("a: [", "compose.yml is not YAML"),
        ("a: 1", "compose.yml is not a Compose file"),
        ("services: {mqtt-bridge: {build: .}}", "compose.yml has no service mqtt-brigde"),
        ("services: {mqtt-brigde: {image: x}, b: {build: .}}", "the service b has no image of its own"),
        ("services: {mqtt-brigde: {image: x}, b: {image: 'x:${TAG}'}}", "the image of b has a variable"),
    ],
)
def test_compose_file(fleet: Fleet, ota: Manager, compose: str, message: str) -> None:
    Path("compose.yml").write_text(compose)
    images = '{"mqtt-brigde": "healthguard/mqtt-bridge:1.2.0"}'
    refused(fleet, ota, 2, message, arguments=create("--compose", "compose.yml", images=images))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("no-colon", "'no-colon' does not say where the file goes"),
        ("missing:a", "cannot read missing: No such file or directory"),
        ("f:../a", "f: dest: Value error, '../a' is not a plain relative path"),
        ("f:/etc/passwd", "'/etc/passwd' is not a plain relative path"),
        ("f:ota/venv", "'ota/venv' lies in the updater's own directory"),
        ("f:docker-compose.yml", "docker-compose.yml is given as compose"),
        ("big:a", "big has 8388609 bytes, the limit for one file is 8388608"),
    ],
)
def test_files(fleet: Fleet, ota: Manager, option: str, message: str) -> None:
    Path("f").write_text("{{ broken")
    Path("big").write_bytes(bytes(8 * 1024 * 1024 + 1))
    refused(fleet, ota, 2, message, arguments=create("--file", option))


def test_template_that_does_not_parse(fleet: Fleet, ota: Manager) -> None:
    Path("t.j2").write_text("fine\n{% if x %}\n")
    message = "the template t.j2 does not parse: line 2"
    refused(fleet, ota, 2, message, arguments=create("--template", "t.j2:a"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--health", '[{"type": "icmp"}]'), "--health or --settle-seconds cannot be used: probes.0"),
        (("--health", "nowhere.json"), "--health: cannot read the file nowhere.json"),
        (("--health", "[1"), "--health is not valid JSON"),
        (("--hooks", "nowhere.json"), "--hooks: cannot read the file nowhere.json"),
        (("--hooks", "{}"), "--hooks is not a JSON list"),
        (("--hooks", '[{"at": "noon", "command": ["x"]}]'), "--hooks, entry 1 cannot be used: at"),
        (("--settle-seconds", "-1"), "settle_seconds: Input should be greater than or equal to 0"),
        (("--timeout-minutes", "0"), "timeout_minutes: Input should be greater than 0"),
        (("--min-version", "1"), "version '1' is not a semantic version"),
        (("--architecture", "sparc"), "'sparc' is not one of 'amd64', 'arm64', 'arm'"),
        (("--architecture", "arm64"), "of mqtt-bridge is not for arm64"),
        (("--hardware", "A B"), "hardware.0: String should match pattern"),
        (("--description", "x" * 2001), "description: String should have at most 2000 characters"),
        (("--passphrase-fd", "99"), "--passphrase-fd 99 cannot be read"),
    ],
)
def test_other_options(fleet: Fleet, ota: Manager, arguments: tuple[str, ...], message: str) -> None:
    refused(fleet, ota, 2, message, arguments=create(*arguments))


def test_images_without_an_architecture_in_common(fleet: Fleet, ota: Manager, registry: str) -> None:
    push_image(registry, "healthguard/arm-only", "1", architecture="arm64")
    images = '{"mqtt-bridge": "healthguard/mqtt-bridge:1.2.0", "b": "healthguard/arm-only:1"}'
    message = "no supported architecture in common: b: arm64; mqtt-bridge: amd64"
    refused(fleet, ota, 2, message, arguments=create(images=images))


def test_missing_key(fleet: Fleet, ota: Manager) -> None:
    (fleet.directory / "keys/release.pem").unlink()
    refused(fleet, ota, 4, "keys/release.pem does not exist", arguments=create())


def test_key_that_others_can_read(fleet: Fleet, ota: Manager) -> None:
    (fleet.directory / "keys/online.pem").chmod(0o640)
    message = "keys/online.pem can be read by others (mode 0640, expected 0600)"
    refused(fleet, ota, 4, message, "chmod 600", arguments=create())


def test_another_key(fleet: Fleet, ota: Manager) -> None:
    keys = fleet.directory / "keys"
    (keys / "release.pem").write_bytes((keys / "root.pem").read_bytes())
    refused(fleet, ota, 4, "keys/release.pem is not the private key of", arguments=create())


def test_altered_manifest_in_the_store(fleet: Fleet, ota: Manager) -> None:
    assert ota.create().status == 0
    [path] = (fleet.directory / "repository/targets/updates/1.2.0").glob("*.manifest.json")
    path.write_bytes(path.read_bytes().replace(b'"critical": false', b'"critical": true '))
    refused(fleet, ota, 20, "has sha256", "expected", arguments=("verify", "1.2.0"))


def test_altered_file_in_the_store(fleet: Fleet, ota: Manager) -> None:
    Path("f").write_text("one")
    assert ota.create("1.2.0", "--file", "f:config/f").status == 0
    [path] = (fleet.directory / "repository/targets/updates/1.2.0/files/config").glob("*.f")
    path.write_text("two")
    refused(fleet, ota, 20, "file config/f has sha256", arguments=("verify", "1.2.0"))


def test_altered_metadata_in_the_store(fleet: Fleet, ota: Manager) -> None:
    path = fleet.directory / "repository/metadata/timestamp.json"
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    refused(fleet, ota, 20, "timestamp.json is not what root's keys signed", arguments=create())


def test_no_configuration(tmp_path: Path, ota: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = ota.create()
    assert done.status == 3
    assert f"there is no configuration at {tmp_path}/ota.toml" in done.err
    assert "run `ota_manager.py init` here, or name the file with --config" in done.err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fleet =", "fleet", "is not TOML"),
        ('"healthguard"', '"Not A Word"', "fleet: String should match pattern"),
        ("store =", "stor =", "repository.store: Field required; repository.stor: Extra inputs are not"),
        ('"file:repository"', '"ftp://x"', "repository.store: Value error, use s3://BUCKET/PREFIX or file:"),
        ("listen =", "listen = 8000 #", "server.listen: Input should be a valid string"),
    ],
)
def test_wrong_configuration(fleet: Fleet, ota: Manager, old: str, new: str, message: str) -> None:
    fleet.change(old, new)
    refused(fleet, ota, 3, "ota.toml", message, arguments=create())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx:1", "docker.io/library/nginx:1"),
        ("healthguard/api:1", "docker.io/healthguard/api:1"),
        ("localhost/api:1", "localhost/api:1"),
        ("10.0.0.2:5000/a/b:1", "10.0.0.2:5000/a/b:1"),
        ("ghcr.io/a/b:1@sha256:" + "0" * 64, "ghcr.io/a/b:1@sha256:" + "0" * 64),
    ],
)
def test_registries_of_references(text: str, expected: str) -> None:
    assert str(parse_reference(text)) == expected


def test_data_that_is_migrated_and_kept(fleet: Fleet, ota: Manager) -> None:
    message = "--migrates and --on-rollback keep exclude each other"
    refused(fleet, ota, 2, message, arguments=create("--migrates", "--on-rollback", "keep"))
