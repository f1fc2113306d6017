"""The playbook create_update.yml, against a real registry, control plane and S3 server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.manager.fleets import Fleet, Manager
from tests.support.manager.s3 import SECRET_KEY, credentials
from tests.support.paths import ROOT
from tests.support.rollout.watching import Watched, watch

PLAYBOOK = ROOT / "playbooks" / "create_update.yml"
INVENTORY = ROOT / "inventory" / "hosts.yml"
PASSPHRASE = "passphrase-0f-the-release-key"
IMAGES = {"mqtt-bridge": "healthguard/mqtt-bridge:1.2.0"}


@pytest.fixture
def in_s3(fleet: Fleet, s3: str, tmp_path: Path) -> Fleet:
    """The fleet, its repository copied into the bucket, its release key encrypted."""
    from ota_py.manager.storage.store import open_store

    directory = tmp_path / "s3"
    directory.mkdir()
    file = credentials(directory)
    store = open_store(f"s3://ota/{tmp_path.name}", endpoint_url=s3, credentials_file=file)
    for key, data in fleet.repository().items():
        store.put(key, data, "application/octet-stream")
    fleet.change(
        'store = "file:repository"',
        f'store = "s3://ota/{tmp_path.name}"\nendpoint_url = "{s3}"\ncredentials_file = "{file}"',
    )
    key = fleet.directory / "keys" / "release.pem"
    argv = ["openssl", "pkcs8", "-topk8", "-in", key, "-out", directory / "new", "-passout", "env:NEW"]
    subprocess.run(argv, check=True, env=os.environ | {"NEW": PASSPHRASE})
    (directory / "new").rename(key)
    key.chmod(0o600)
    return fleet


def play(fleet: Fleet, tmp_path: Path, *arguments: str) -> Watched:
    """Run the playbook as people do, as verbose as it can be."""
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOG_PATH": str(tmp_path / "temporary" / "ansible.log"),
        "OTA_CONFIG": str(fleet.config),
        "OTA_RELEASE_PASSPHRASE": PASSPHRASE,
        "PWD": str(fleet.directory),
    }
    argv = ["ansible-playbook", "-i", str(INVENTORY), str(PLAYBOOK), *arguments, "-vvv", "--diff"]
    return watch(argv, fleet.directory, env, tmp_path / "temporary")


def describe(fleet: Fleet, **fields: object) -> None:
    (fleet.directory / "update.yml").write_text(json.dumps({"version": "1.2.0", "images": IMAGES, **fields}))


def touching(directory: Path) -> tuple[str, Path]:
    """A template that makes a file where somebody renders it, and that file."""
    mark = directory / "owned"
    return f"{{{{ lookup('ansible.builtin.pipe', 'touch {mark}') }}}}", mark


@pytest.mark.case("A25", "A33")
def test_an_update_full_of_templates_is_published_as_text(in_s3: Fleet, tmp_path: Path, ota: Manager) -> None:
    fleet = in_s3
    attack, mark = touching(tmp_path)
    text = f"{attack} {{% raw %}}{attack}{{% endraw %}} !unsafe {{# {attack} #}} $(touch {mark})"
    describe(fleet, description=text, critical=True)
    seen = play(fleet, tmp_path, "-e", "update=update.yml")

    assert seen.status == 0, seen.texts["output"]
    assert not mark.exists()
    [update] = ota("list-updates", "--json").json["updates"]
    assert (update["version"], update["state"], update["critical"]) == ("1.2.0", "STAGED", True)
    manifest = ota("verify", "1.2.0", "--json").json["manifest"]
    assert manifest["description"] == text
    assert list(manifest["images"]) == list(IMAGES)
    # Of the play's processes only those that sign are given the passphrase, by their environment.
    seen.texts.pop("environments")
    token = (fleet.directory / "operator-token").read_text().strip()
    # The S3 server of the tests takes its key as an argument.
    lines = seen.texts["arguments"].splitlines()
    seen.texts["arguments"] = "\n".join(line for line in lines if "--auth-key" not in line)
    secrets = [PASSPHRASE, token, SECRET_KEY]
    assert [place for secret in secrets for place in seen.places_of(secret)] == []
    assert "create-update" in seen.texts["arguments"]
    assert "create-update" in seen.texts[str(tmp_path / "temporary" / "ansible.log")]


@pytest.mark.case("A25")
@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("version", "is not a semantic version"),
        ("images", "is not an image reference"),
        ("on_rollback", "is not one of 'restore', 'keep'"),
    ],
)
def test_a_template_where_none_belongs_is_refused(fleet: Fleet, tmp_path: Path, field: str, words: str) -> None:
    attack, mark = touching(tmp_path)
    before = fleet.state()
    describe(fleet, **{field: {"mqtt-bridge": attack} if field == "images" else attack})
    seen = play(fleet, tmp_path, "-e", "update=update.yml")
    assert seen.status != 0
    assert words in " ".join(seen.texts["output"].split())
    assert not mark.exists()
    assert fleet.state() == before


@pytest.mark.case("A25")
def test_extra_variables_which_would_be_templates_are_refused(fleet: Fleet, tmp_path: Path) -> None:
    attack, mark = touching(tmp_path)
    describe(fleet, description=attack)
    for given in (["-e", "@update.yml"], ["-e", "@update.yml", "-e", "update=update.yml"]):
        seen = play(fleet, tmp_path, *given)
        assert seen.status != 0
        assert "Name the file that describes the update: -e update=update.yml" in seen.texts["output"]
    assert not mark.exists()
