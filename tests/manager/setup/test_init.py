"""The commands `init`, everything a fleet needs or nothing, and `serve`, from start to a clean stop."""

from __future__ import annotations

import os
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from ota_py.errors import OtaError
from ota_py.manager.config.model import load_config, parse_config
from ota_py.manager.config.secrets import Passphrases
from ota_py.manager.setup.config_template import render_config
from ota_py.manager.setup.initialise import initialise
from tests.support.manager.fleets import IMAGES, Fleet
from tests.support.ports import free_port
from tests.support.processes import MANAGER, running
from tests.support.trust.stores import DirectoryOfBytes

SECRETS = ("keys/root.pem", "keys/release.pem", "keys/online.pem", "operator-token", "admin-password")
INIT = ("init", "--fleet", "healthguard", "--public-url", "http://127.0.0.1/ota")


def manager(directory: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MANAGER, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        **{"stdin": subprocess.DEVNULL, **options},
    )


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.mark.case("A33")
def test_secrets_are_private_and_paths_hold_from_anywhere(fleet: Fleet, tmp_path: Path) -> None:
    for name in (*SECRETS, "control-plane.secret", "control-plane.sqlite3"):
        assert (fleet.directory / name).stat().st_mode & 0o077 == 0, name
    done = manager(tmp_path, "--config", str(fleet.config), "list-updates", "--json")
    assert done.returncode == 0, done.stderr
    assert load_config(fleet.config).repository.root == fleet.directory / "root.json"


def test_init_never_overwrites(fleet: Fleet) -> None:
    before = snapshot(fleet.directory)
    done = manager(fleet.directory, *INIT)
    assert done.returncode == 5
    for name in ("ota.toml", "root.json", *SECRETS, "control-plane.sqlite3", "a repository in file://"):
        assert name in done.stderr
    assert snapshot(fleet.directory) == before


@pytest.mark.parametrize("name", ["root.json", "keys/release.pem", "operator-token"])
def test_one_existing_file_is_enough_to_refuse(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("precious")
    done = manager(tmp_path, *INIT)
    assert done.returncode == 5
    assert f"init never overwrites, and these exist: {tmp_path / name}\n" in done.stderr
    assert snapshot(tmp_path) == {name: b"precious"}


def test_a_failure_removes_what_was_made(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    done = manager(tmp_path, *INIT, "--store", "file:occupied/repository")
    assert done.returncode == 10, done.stderr
    assert "cannot write" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["occupied"]


@pytest.mark.parametrize("writes", range(5))
def test_a_failure_of_the_store_leaves_nothing_in_it_either(tmp_path: Path, writes: int) -> None:
    place = tmp_path / "fleet"
    text = render_config(
        "hg",
        {"repository": {"store": "file:r", "public_url": "http://x"}, "control_plane": {"url": "http://x"}},
    )
    config = parse_config(tomllib.loads(text), place / "ota.toml")
    store = DirectoryOfBytes(tmp_path / "store")
    if writes < 4:
        store.fail_after = writes
    else:  # all of the repository is there, then the disk is full
        config.repository.root.parent.mkdir()
        config.repository.root.with_name("root.json").symlink_to("/nonexistent/root.json")
    with pytest.raises(OtaError):
        initialise(config, text, store, Passphrases(), lambda _: None)
    assert store.list("") == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_wrong_options_make_nothing(tmp_path: Path) -> None:
    for options, message in (
        (("--fleet", "No Good"), "fleet: String should match pattern"),
        (("--listen", "8000"), "server.listen: Value error, use HOST:PORT"),
        (("--database", "mysql://x"), "server.database: Value error, use sqlite:///FILE"),
        (("--store", "nfs://x"), "repository.store: Value error, use s3://BUCKET/PREFIX"),
    ):
        done = manager(tmp_path, *INIT, *options)
        assert done.returncode == 3
        assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case("A33")
@pytest.mark.parametrize("url", ["postgresql://ota:CANARY@h/db", "postgresql://h/db?user=ota&password=CANARY"])
def test_a_password_is_no_argument(tmp_path: Path, url: str) -> None:
    done = manager(tmp_path, *INIT, "--database", url)
    assert done.returncode == 2
    assert "put it in ~/.pgpass or in PGPASSWORD" in done.stderr
    assert "CANARY" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case("A33")
def test_encrypted_keys_need_their_passphrase(registry: str, fleet: Fleet) -> None:
    keys = fleet.directory / "keys"
    for role in ("release", "online"):
        key = keys / f"{role}.pem"
        subprocess.run(
            ["openssl", "pkcs8", "-topk8", "-in", key, "-out", keys / "new", "-passout", "pass:right"],
            check=True,
        )
        os.replace(keys / "new", key)
        key.chmod(0o600)
    command = ("create-update", "--version", "1.2.0", "--images", IMAGES)
    before = fleet.state()

    silent = manager(fleet.directory, *command)
    assert silent.returncode == 4
    assert "the release key is encrypted, and there is no terminal" in silent.stderr
    assert "OTA_RELEASE_PASSPHRASE" in silent.stderr

    wrong = manager(fleet.directory, *command, env=os.environ | {"OTA_RELEASE_PASSPHRASE": "wrong"})
    assert wrong.returncode == 4
    assert "the passphrase does not open the key" in wrong.stderr
    assert fleet.state() == before

    right = manager(fleet.directory, *command, "--passphrase-fd", "0", stdin=None, input="right\n")
    assert right.returncode == 0, right.stderr


def test_init_encrypts_keys_with_the_given_passphrases(tmp_path: Path) -> None:
    given = {f"OTA_{role}_PASSPHRASE": "open sesame" for role in ("ROOT", "RELEASE", "ONLINE")}
    done = manager(tmp_path, *INIT, env=os.environ | given | {"OTA_ADMIN_PASSWORD": "correct horse 77"})
    assert done.returncode == 0, done.stderr
    for role in ("root", "release", "online"):
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / f"keys/{role}.pem").read_bytes()
    assert not (tmp_path / "admin-password").exists()
    assert "open sesame" not in done.stdout + done.stderr
    assert "not encrypted" not in done.stderr


def test_init_says_which_keys_are_in_the_clear(tmp_path: Path) -> None:
    given = {"OTA_ROOT_PASSPHRASE": "open sesame"}
    done = manager(tmp_path, *INIT, env=os.environ | given)
    assert done.returncode == 0, done.stderr
    assert f"warning: {tmp_path}/keys/release.pem is not encrypted (0600)" in done.stderr
    assert f"warning: {tmp_path}/keys/online.pem is not encrypted (0600)" in done.stderr
    assert "keys/root.pem is not" not in done.stderr


def test_rendered_configuration_is_toml_with_what_was_given() -> None:
    text = render_config("f", {"registry": {"default": 'a"b\\', "insecure": ["x", "ü"]}, "defaults": {"a": None}})
    assert tomllib.loads(text) == {"fleet": "f", "registry": {"default": 'a"b\\', "insecure": ["x", "ü"]}}


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_cleanly(fleet: Fleet, tmp_path: Path, stop: signal.Signals) -> None:
    port = free_port()
    log = tmp_path / "log"
    command = [*MANAGER, "--config", str(fleet.config), "serve", "--listen", f"127.0.0.1:{port}"]
    with running(command, port, log) as process:
        process.send_signal(stop)
        assert process.wait(120) == 0  # a worker that hears nothing in its first moment is killed after 10 s
    text = log.read_text()
    assert f"Control plane on 127.0.0.1:{port}" in text
    assert "The control plane has stopped." in text
    assert "Traceback" not in text


def test_serve_on_a_taken_port(fleet: Fleet) -> None:
    taken = fleet.control_plane_url.removeprefix("http://")
    done = manager(fleet.directory, "serve", "--listen", taken)
    assert done.returncode == 5
    assert f"cannot listen on {taken}: Address already in use" in done.stderr
