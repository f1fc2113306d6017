"""Secrets of the operator at work: passphrases and registry logins are shown nowhere, however they come in."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
from pathlib import Path

import pexpect
import pytest

from ota_py.errors import RegistryError
from ota_py.manager.config.secrets import Passphrases, hidden_passphrases
from tests.support.http_servers import Answer, scripted
from tests.support.manager.fleets import Fleet
from tests.support.manager.resolving import CONFIG, MANIFEST, log_in, resolve
from tests.support.processes import MANAGER
from tests.support.rollout.watching import Watched, watch

pytestmark = pytest.mark.case("A33")

PASSPHRASE = "passphrase-0f-the-release-key"
WRONG = "a-passphrase-that-0pens-nothing"
PASSWORD = "passw0rd-of-the-registry"
BASIC = "Basic " + base64.b64encode(f"operator:{PASSWORD}".encode()).decode()
# Tells a login as Docker's own helpers do, and notes what it was started with.
HELPER = """#!/bin/sh
{{ echo "$0 $*"; env; }} >{notes}
printf '{{"ServerURL": "%s", "Username": "operator", "Secret": "{password}"}}' "$(cat)"
"""


def registry_that_wants(authorization: str | None) -> object:
    """A registry for one login, or for none at all."""

    def answer(path: str, headers: dict[str, str]) -> Answer:
        if authorization is None or headers.get("authorization") != authorization:
            return 401, {"WWW-Authenticate": 'Basic realm="fleet"'}, b""
        return 200, {}, CONFIG if "/blobs/" in path else MANIFEST

    return scripted(answer)


class Operator:
    """An operator with an encrypted release key, whose registry login a helper keeps."""

    def __init__(self, fleet: Fleet, directory: Path) -> None:
        self.fleet, self.directory = fleet, directory
        key = fleet.directory / "keys" / "release.pem"
        argv = ["openssl", "pkcs8", "-topk8", "-in", key, "-out", directory / "new", "-passout", "env:NEW"]
        subprocess.run(argv, check=True, env=os.environ | {"NEW": PASSPHRASE})
        (directory / "new").rename(key)
        key.chmod(0o600)
        self.notes = directory / "notes"
        helper = directory / "docker-credential-shop"
        helper.write_text(HELPER.format(notes=self.notes, password=PASSWORD))
        helper.chmod(0o755)
        (directory / "config.json").write_text(json.dumps({"credsStore": "shop"}))
        self.env = {
            **os.environ,
            "DOCKER_CONFIG": str(directory),
            "PATH": f"{directory}:{os.environ['PATH']}",
        }

    def create(self, registry: str) -> list[str]:
        images = json.dumps({"api": f"{registry}/a/b:1"})
        return [*MANAGER, "--config", str(self.fleet.config), "create-update", "--version", "1.2.0",
                "--images", images, "--yes"]  # fmt: skip

    def watched(self, registry: str, **given: str) -> Watched:
        """Create an update, with everything that it could leak a secret to."""
        seen = watch(self.create(registry), self.fleet.directory, self.env | given, self.directory / "tmp")
        seen.texts["helper"] = self.notes.read_text() if self.notes.exists() else ""
        for path in self.fleet.directory.rglob("*"):
            if path.is_file():
                seen.texts[str(path)] = path.read_bytes().decode(errors="replace")
        return seen

    def trust(self, registry: str) -> None:
        self.fleet.change("insecure = [", f'insecure = ["{registry}", ')


@pytest.fixture
def operator(fleet: Fleet, tmp_path: Path) -> Operator:
    return Operator(fleet, tmp_path)


def check_kept(seen: Watched, *more: str) -> None:
    assert "create-update" in seen.texts["arguments"], "the process list was not seen"
    secrets = [PASSPHRASE, WRONG, PASSWORD, BASIC.removeprefix("Basic "), *more]
    assert [place for secret in secrets for place in seen.places_of(secret)] == []


def test_a_passphrase_and_a_login_reach_nobody_else(operator: Operator) -> None:
    with registry_that_wants(BASIC) as registry:
        operator.trust(registry)
        before = operator.fleet.state()
        seen = operator.watched(registry, OTA_RELEASE_PASSPHRASE=WRONG)
        assert seen.status == 4
        assert "the passphrase does not open the key" in seen.texts["output"]
        assert operator.fleet.state() == before
        check_kept(seen)

        seen = operator.watched(registry, OTA_RELEASE_PASSPHRASE=PASSPHRASE)
        assert seen.status == 0, seen.texts["output"]
        assert "docker-credential-shop get" in seen.texts["helper"], "the login came from the helper"
        check_kept(seen)


def test_what_the_environment_gave_is_known_and_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTA_ONLINE_PASSPHRASE", PASSPHRASE)
    with hidden_passphrases():
        assert "OTA_ONLINE_PASSPHRASE" not in os.environ
        # As it goes to the process beside `serve`.
        known: Passphrases = pickle.loads(pickle.dumps(Passphrases()))
    assert known.given("online") == PASSPHRASE
    assert os.environ["OTA_ONLINE_PASSPHRASE"] == PASSPHRASE


def test_a_registry_that_refuses_a_login_is_named_without_it(operator: Operator) -> None:
    with registry_that_wants(None) as registry:
        operator.trust(registry)
        seen = operator.watched(registry, OTA_RELEASE_PASSPHRASE=PASSPHRASE)
    assert seen.status == 10
    assert f"the registry {registry} denied access to" in seen.texts["output"]
    assert "docker-credential-shop get" in seen.texts["helper"]
    check_kept(seen)


@pytest.mark.parametrize("passphrase", [PASSPHRASE, WRONG])
def test_a_passphrase_by_prompt_or_descriptor_is_not_told(operator: Operator, passphrase: str) -> None:
    is_right = passphrase == PASSPHRASE
    with registry_that_wants(BASIC) as registry:
        operator.trust(registry)
        argv = operator.create(registry)
        where = str(operator.fleet.directory)
        asked = pexpect.spawn(argv[0], argv[1:], env=operator.env, cwd=where, timeout=300)
        asked.expect("Passphrase of the release key")
        asked.sendline(passphrase)
        asked.expect(pexpect.EOF)
        response = asked.before.decode()
        asked.wait()
        asked.close()
        given = subprocess.run(
            [*[word.replace("1.2.0", "1.2.1") for word in argv], "--passphrase-fd", "0"],
            cwd=operator.fleet.directory, env=operator.env, input=passphrase + "\n",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (asked.exitstatus, given.returncode) == ((0, 0) if is_right else (4, 4)), response + given.stderr
    assert passphrase not in response + given.stdout + given.stderr


def test_a_descriptor_that_holds_no_text_shows_nothing_of_it(operator: Operator) -> None:
    with registry_that_wants(BASIC) as registry:
        operator.trust(registry)
        argv = [*operator.create(registry), "--passphrase-fd", "0"]
        done = subprocess.run(
            argv,
            cwd=operator.fleet.directory,
            env=operator.env,
            input=b"se\xe9cret\n",
            capture_output=True,
            check=False,
        )
    assert done.returncode == 2
    assert b"--passphrase-fd 0 gives no text in UTF-8" in done.stderr
    assert b"0xe9" not in done.stderr


def test_a_password_is_not_sent_to_a_token_service_without_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(path: str, headers: dict[str, str]) -> Answer:
        asked.append(headers.get("authorization", ""))
        return 401, {"WWW-Authenticate": 'Bearer realm="ftp://elsewhere/token",service="s"'}, b""

    with scripted(answer) as registry:
        log_in(tmp_path, registry, f"operator:{PASSWORD}", monkeypatch)
        with pytest.raises(RegistryError, match="would be told the password without TLS"):
            resolve(registry)
    assert asked == [""]
