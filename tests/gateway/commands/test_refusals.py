"""Refusals of bad input: a clear error, its exit status, and a gateway that is exactly as it was."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ota_py.gateway.system import lock
from ota_py.manifest import Compatibility
from tests.support.gateway.site import Site

pytestmark = pytest.mark.docker


@pytest.fixture
def untouched(site: Site) -> Iterator[Site]:
    """The site; whatever the test did, nothing of it was touched."""
    ids, files = site.ids(), site.files()
    yield site
    assert site.ids() == ids
    assert site.files() == files
    assert site.readings() == [4.5]


def refused(site: Site, status: int, *arguments: str) -> dict[str, Any]:
    before = site.refreshed()
    result = site.client_json("update", *(arguments or ("--version", "1.1.0")), status=status)
    if "outcome" in result:
        assert result["outcome"] == "FAILED"
        assert not result["changed"]
        assert result["reports"][-1]["state"] == "FAILED"
    assert site.standing() == before
    return dict(result["error"])


def target(site: Site, name: str) -> Path:
    (found,) = (site.directory / "repository" / "targets").rglob(f"*.{name}")
    return found


@pytest.mark.case("A05", "A20")
@pytest.mark.parametrize("name", ["manifest.json", "manifest.json.sig", "app.conf"])
def test_an_altered_byte(untouched: Site, name: str) -> None:
    untouched.publish("1.1.0", files={"config/app.conf": b"second\n"})
    path = target(untouched, name)
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)

    error = refused(untouched, 20)

    assert error["code"] == "integrity"
    assert "does not match expected hash" in error["message"]


@pytest.mark.case("A01", "A20")
def test_an_altered_manifest_on_a_stick(untouched: Site) -> None:
    untouched.publish("1.1.0", files={"config/app.conf": b"second\n"})
    stick = untouched.directory / "stick"
    stick.mkdir()
    shutil.copy(target(untouched, "manifest.json.sig"), stick / "manifest.json.sig")
    text = target(untouched, "manifest.json").read_text()
    (stick / "manifest.json").write_text(text.replace("1.1.0", "1.1.1"))

    error = refused(untouched, 20, "--manifest", str(stick / "manifest.json"))

    assert error["code"] == "signature"
    assert error["message"] == "manifest is signed by 0 of the release keys, expected 1"


@pytest.mark.case("A20")
def test_an_altered_file_beside_the_manifest_on_a_stick(untouched: Site) -> None:
    untouched.publish("1.1.0", files={"config/app.conf": b"second\n"})
    stick = untouched.directory / "stick"
    (stick / "files" / "config").mkdir(parents=True)
    for name in ("manifest.json", "manifest.json.sig"):
        shutil.copy(target(untouched, name), stick / name)
    (stick / "files" / "config" / "app.conf").write_bytes(b"secomd\n")

    error = refused(untouched, 20, "--manifest", str(stick / "manifest.json"))

    assert error["message"].startswith("file config/app.conf has sha256")


def test_an_update_on_a_stick_needs_no_network(site: Site) -> None:
    site.publish("1.1.0", files={"config/app.conf": b"second\n"})
    stick = site.directory / "stick"
    (stick / "files" / "config").mkdir(parents=True)
    for name in ("manifest.json", "manifest.json.sig"):
        shutil.copy(target(site, name), stick / name)
    (stick / "files" / "config" / "app.conf").write_bytes(b"second\n")
    shutil.rmtree(site.directory / "repository")

    assert site.client_json("update", "--manifest", str(stick / "manifest.json"))["outcome"] == "SUCCEEDED"


@pytest.mark.case("A09")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architectures": ["arm"]}, "update 1.1.0 is for the architecture arm, this gateway has amd64"),
        ({"hardware": ["pi-4"]}, "update 1.1.0 is for the hardware pi-4, this gateway has none"),
        ({"groups": ["denver"]}, "update 1.1.0 is for the groups denver, this gateway is in none"),
        ({"min_version": "1.0.5"}, "update 1.1.0 needs at least version 1.0.5, this gateway runs 1.0.0"),
    ],
)
def test_an_update_for_others(untouched: Site, fields: dict[str, Any], message: str) -> None:
    untouched.publish("1.1.0", files={"config/app.conf": b"2\n"}, compatibility=Compatibility(**fields))
    assert refused(untouched, 21)["message"] == message


def test_an_older_version(untouched: Site) -> None:
    untouched.publish("0.9.0", files={"config/app.conf": b"2\n"})
    error = refused(untouched, 21, "--version", "0.9.0")
    assert error["message"] == "update 0.9.0 is older than the installed 1.0.0"


def test_a_version_that_the_repository_does_not_have(untouched: Site) -> None:
    assert refused(untouched, 6)["message"] == "the repository has no update 1.1.0"


def test_a_service_that_the_project_does_not_have(untouched: Site) -> None:
    untouched.publish("1.1.0", {"nothing": untouched.push("nothing", "1.1.0")})
    error = refused(untouched, 21)
    assert error["message"] == "docker-compose.yml has no service nothing; it has app, broker, store"


def test_a_template_with_an_undefined_variable(untouched: Site) -> None:
    untouched.publish("1.1.0", files={"config/app.conf": (b"{{ nobody }}", True)})
    error = refused(untouched, 21)
    assert error["message"] == "the template config/app.conf cannot be rendered on this gateway: 'nobody' is undefined"


@pytest.mark.case("A25")
def test_a_template_that_leaves_the_sandbox(untouched: Site) -> None:
    source = b"{{ ''.__class__.__mro__[1].__subclasses__() }}"
    untouched.publish("1.1.0", files={"config/app.conf": (source, True)})
    assert "is unsafe" in refused(untouched, 21)["message"]


def test_a_compose_file_that_compose_refuses(untouched: Site) -> None:
    untouched.publish("1.1.0", files={"docker-compose.yml": b"services:\n  app:\n    imagge: x\n"})
    error = refused(untouched, 25)
    assert error["message"].startswith("Compose refuses the new docker-compose.yml:")


def test_an_image_that_the_registry_does_not_have(untouched: Site) -> None:
    image = untouched.push("app", "1.1.0").model_copy(update={"digest": f"sha256:{'0' * 64}"})
    untouched.publish("1.1.0", {"app": image})
    assert "does not have" in refused(untouched, 6)["message"]


def test_images_that_do_not_fit_the_disk(untouched: Site) -> None:
    image = untouched.push("app", "1.1.0").model_copy(update={"size": 60 * 1024**3 * 1})
    untouched.publish("1.1.0", {"app": image})
    error = refused(untouched, 23)
    assert "images of 1.1.0 184,320" in error["message"]


@pytest.fixture
def tiny_disk(site: Site) -> Iterator[Path]:
    """A full disk where the state is kept."""
    state = site.directory / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(state)], check=True)
    yield state
    # Lazily: whoever looks through /tmp may just be in it.
    subprocess.run(["umount", "--lazy", str(state)], check=True)


@pytest.mark.case("F10")
def test_a_state_directory_without_space(tiny_disk: Path, untouched: Site) -> None:
    untouched.publish("1.1.0", files={"config/app.conf": b"second\n"})
    (tiny_disk / "filler").write_bytes(b"x" * 30 * 1024**2)
    message = refused(untouched, 23)["message"]
    assert f"not enough space for {tiny_disk}/backups: 33 MiB are needed (copies of files 1, a dump of" in message
    assert "a dump of sqlite /data/readings.db 1, files of the update 1, reserve 32)" in message


@pytest.mark.case("F10")
def test_a_backup_that_would_not_fit_is_refused_before_anything_is_fetched(tiny_disk: Path, untouched: Site) -> None:
    untouched.publish("1.1.0", {"app": untouched.push("app", "1.1.0")})
    (untouched.project_dir / "config" / "big").write_bytes(b"x" * 60 * 1024**2)
    try:
        result = untouched.client_json("update", "--version", "1.1.0", status=23)
        by_hand = untouched.client("backup")
    finally:
        (untouched.project_dir / "config" / "big").unlink()
    assert [step["state"] for step in result["steps"]] == ["RECEIVED", "VERIFIED", "FAILED"]
    assert "copies of files 61" in result["reason"]
    assert (by_hand.returncode, "copies of files 61" in by_hand.stderr) == (23, True)


@pytest.mark.case("F10")
def test_a_disk_that_fills_up_before_the_backup(tiny_disk: Path, untouched: Site) -> None:
    untouched.publish("1.1.0", files={"config/app.conf": b"second\n"})
    untouched.client_json("update", "--version", "1.1.0", "--until", "VERIFIED")
    free = shutil.disk_usage(tiny_disk).free
    (tiny_disk / "filler").write_bytes(b"x" * (free - 256 * 1024))
    (untouched.project_dir / "config" / "big").write_bytes(b"x" * 1024**2)
    try:
        error = refused(untouched, 23)
    finally:
        (untouched.project_dir / "config" / "big").unlink()
    assert error["code"] == "no_space"
    assert not any(untouched.config.backups_dir.iterdir())


@pytest.mark.case("F30")
def test_a_second_update_at_the_same_time(untouched: Site) -> None:
    untouched.publish("1.1.0", files={"config/app.conf": b"second\n"})
    with lock.exclusive(untouched.config.lock_path):
        assert refused(untouched, 24)["code"] == "busy"


def test_a_repository_that_is_away(untouched: Site) -> None:
    untouched.publish("1.1.0", files={"config/app.conf": b"second\n"})
    (untouched.directory / "repository").rename(untouched.directory / "away")
    assert refused(untouched, 10)["code"] == "repository"


def test_a_docker_engine_that_is_away(untouched: Site) -> None:
    untouched.publish("1.1.0", {"app": untouched.push("app", "1.1.0")})
    result = untouched.client_json("update", "--version", "1.1.0", status=25, DOCKER_HOST="unix:///nowhere")
    assert result["error"]["code"] == "docker"


@pytest.mark.case("A07")
def test_a_link_where_the_update_would_write(untouched: Site) -> None:
    outside = untouched.directory / "outside"
    outside.mkdir()
    (untouched.project_dir / "extra").symlink_to(outside)
    untouched.publish("1.1.0", files={"extra/file": b"second\n"})
    assert "is a symbolic link" in refused(untouched, 22)["message"]
    assert not any(outside.iterdir())


def test_a_file_that_somebody_edited_meanwhile(site: Site) -> None:
    site.publish("1.1.0", files={"config/app.conf": b"second\n"})
    site.client_json("update", "--version", "1.1.0", "--until", "BACKED_UP")
    (site.project_dir / "config" / "app.conf").write_text("by hand\n")

    result = site.client_json("update", "--version", "1.1.0", status=5)

    assert result["reason"] == "config/app.conf was changed on this gateway since the update was prepared"
    assert (site.project_dir / "config" / "app.conf").read_text() == "by hand\n"
