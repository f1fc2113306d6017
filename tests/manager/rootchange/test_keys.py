"""The commands of keys: the files that they make, their questions, refusals and output."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from ota_py.errors import ConfigError
from ota_py.manager.config.model import load_config
from ota_py.manager.config.root_file import name_keys
from ota_py.trust.keys.key_files import read_public
from tests.support.http_servers import serving
from tests.support.kms.stand_ins import AwsKms
from tests.support.manager.fleets import Fleet, Manager
from tests.support.processes import MANAGER


def release_id(ota: Manager) -> str:
    found: str = ota("keys", "list", "--json").json["roles"]["release"]["keys"][0]["id"]
    return found


def test_a_key_of_ones_own_is_made_without_a_fleet(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("open sesame\n")
    with passphrase.open() as file:
        done = subprocess.run(
            [*MANAGER, "keys", "init", "alice.pem", "--type", "rsa-3072", "--passphrase-fd", "0"],
            cwd=tmp_path,
            stdin=file,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "ENCRYPTED" in (tmp_path / "alice.pem").read_text()
    assert stat.S_IMODE((tmp_path / "alice.pem").stat().st_mode) == 0o600
    assert read_public(tmp_path / "alice.pub").keyid in done.stdout
    reported = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "alice.pub", "-text", "-noout"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "3072 bit" in reported.stdout
    assert "open sesame" not in done.stdout + done.stderr


def test_keys_are_listed_whatever_became_of_the_rest(ota: Manager, fleet: Fleet) -> None:
    (fleet.directory / "repository/metadata/timestamp.json").write_text("{}")
    listed = ota("keys", "list")
    assert listed.status == 0
    assert "root: 1 of 1 must sign" in listed.out
    assert "how long signatures hold is not known: " in listed.out
    reported = ota("keys", "list", "--json").json
    assert "timestamp.json is not what root's keys signed" in reported["problem"]
    assert reported["roles"]["timestamp"]["freshness"] is None


def test_no_passphrase_and_nobody_to_ask(ota: Manager, tmp_path: Path) -> None:
    done = ota("keys", "init", str(tmp_path / "a.pem"))
    assert done.status == 2
    assert "there is no passphrase for the new signing key, and no terminal to ask for one" in done.err
    assert "--unencrypted" in done.err
    assert not (tmp_path / "a.pem").exists()
    done = ota("keys", "init", str(tmp_path / "a.pem"), "--unencrypted")
    assert done.status == 0
    assert "NOT encrypted" in done.out


def test_an_existing_key_is_never_overwritten(ota: Manager, fleet: Fleet) -> None:
    before = (fleet.directory / "keys/root.pem").read_bytes()
    done = ota("keys", "init", "keys/root.pem", "--unencrypted")
    assert done.status == 5
    assert "a key is never overwritten" in done.err
    (fleet.directory / "b.pub").write_text("precious")
    assert ota("keys", "init", "b.pem", "--unencrypted").status == 5
    assert not (fleet.directory / "b.pem").exists()
    assert (fleet.directory / "keys/root.pem").read_bytes() == before


def test_a_private_key_is_not_taken_for_a_public_one(ota: Manager, fleet: Fleet) -> None:
    (fleet.directory / "a.pub").write_text("nonsense")
    done = ota("keys", "add", "release", "a.pub", "--yes")
    assert done.status == 4
    assert "a.pub" in done.err


def test_nothing_is_done_without_a_yes(ota: Manager, fleet: Fleet) -> None:
    before = fleet.repository(), sorted(p.name for p in (fleet.directory / "keys").iterdir())
    done = ota("keys", "rotate", "online", "--unencrypted")
    assert done.status == 2
    assert "snapshot:" in done.out  # it was shown
    assert "timestamp:" in done.out
    assert "this needs a person's yes, and there is no terminal to ask at" in done.err
    assert (fleet.repository(), sorted(p.name for p in (fleet.directory / "keys").iterdir())) == before
    assert load_config(fleet.config).keys.timestamp == [f"file:{fleet.directory}/keys/online.pem"]


def test_what_changes_is_told_to_programs(ota: Manager, fleet: Fleet) -> None:
    old = release_id(ota)
    reported = ota("keys", "rotate", "release", "--yes", "--unencrypted", "--json").json
    assert reported["root"] | {"expires": ""} == {"before": 1, "after": 2, "expires": ""}
    change = reported["changes"][0]
    assert (change["role"], change["removed"], change["thresholds"]) == ("release", [old], [1, 1])
    assert change["added"] == [release_id(ota)]
    assert reported["published"] is True
    assert reported["keys"] == {"release": [f"file:{fleet.directory}/keys/release-2.pem"]}


def test_an_update_that_somebody_replaced_is_not_signed_anew(ota: Manager, fleet: Fleet) -> None:
    assert ota("create-update", "--version", "1.2.0", "--file", "ota.toml:a", "--yes").status == 0
    with sqlite3.connect(fleet.database, timeout=60) as connection:
        connection.execute("UPDATE updates_update SET manifest_sha256 = ?", ("0" * 64,))
    before = fleet.repository()
    done = ota("keys", "rotate", "release", "--yes", "--unencrypted")
    assert done.status == 20
    assert f"and {'0' * 64} was registered" in done.err
    assert fleet.repository() == before


def signers(ota: Manager) -> list[str]:
    found: list[str] = ota("list-updates", "--json").json["updates"][0]["key_ids"]
    return found


def test_who_signed_an_update_follows_every_change_of_release_keys(ota: Manager) -> None:
    first = release_id(ota)
    assert ota("create-update", "--version", "1.2.0", "--file", "ota.toml:a", "--yes").status == 0
    ota("keys", "init", "keys/second.pem", "--unencrypted")
    second = read_public(Path("keys/second.pub")).keyid
    both = ("--threshold", "2", "--key", "file:keys/second.pem", "--yes")
    assert ota("keys", "add", "release", "keys/second.pub", *both).status == 0
    assert signers(ota) == sorted([first, second])
    # Its signatures count on without the one that goes: nothing is signed anew, and it counts no more.
    assert ota("keys", "revoke", "release", first, "--threshold", "1", "--yes").status == 0
    assert signers(ota) == [second]
    assert ota("verify", "1.2.0", "--json").json["key_ids"] == [second]


def test_keys_change_while_the_control_plane_is_away(ota: Manager, fleet: Fleet) -> None:
    assert ota("create-update", "--version", "1.2.0", "--file", "ota.toml:a", "--yes").status == 0
    before = signers(ota)
    here, nowhere = f'url = "{fleet.control_plane_url}"', 'url = "http://127.0.0.1:1"'
    fleet.change(here, nowhere)
    done = ota("keys", "rotate", "release", "--yes", "--unencrypted")
    assert done.status == 0, done.err
    to_do = done.out.splitlines()[-1]
    assert "To do: the control plane shows who signed updates before this change" in to_do
    assert to_do.endswith("run `ota_manager.py publish root-2.request.json`")
    fleet.change(nowhere, here)
    assert signers(ota) == before
    done = ota("publish", "root-2.request.json")
    assert done.status == 0, done.err
    assert "To do" not in done.out
    assert signers(ota) == [release_id(ota)] != before


def test_resign_names_what_needs_it(ota: Manager) -> None:
    assert ota("create-update", "--version", "1.2.0", "--file", "ota.toml:a", "--yes").status == 0
    done = ota("keys", "rotate", "release", "--yes", "--unencrypted", "--resign", "1.2.0,3.0.0")
    assert done.status == 2
    assert "--resign 3.0.0: such an update does not need it" in done.err
    done = ota("keys", "revoke", "release", release_id(ota), "--yes")
    assert done.status == 2
    assert "1 of 0 release keys cannot sign" in done.err


def test_a_timestamp_key_of_its_own(ota: Manager, fleet: Fleet) -> None:
    keys = fleet.directory / "keys"
    done = ota("keys", "rotate", "timestamp", "--yes", "--unencrypted", "--json")
    assert done.json["keys"] == {"timestamp": [f"file:{keys}/timestamp-2.pem"]}
    assert [change["role"] for change in done.json["changes"]] == ["timestamp"]
    assert "metadata/2.snapshot.json" not in fleet.repository()  # the snapshot's key did not change
    done = ota("keys", "rotate", "online", "--yes", "--unencrypted")
    assert done.status == 2
    assert "snapshot and timestamp have keys of their own" in done.err
    # Without the snapshot's key no release, but the timestamp can be renewed.
    os.rename(keys / "online.pem", fleet.directory / "kept.pem")
    before = fleet.repository()
    release = ("create-update", "--version", "1.2.0", "--file", "ota.toml:a", "--yes")
    done = ota(*release)
    assert done.status == 4
    assert "snapshot and timestamp must be signed anew, and too few of the keys are here" in done.err
    assert ": snapshot takes 1 of " in done.err
    assert fleet.repository() == before
    assert ota("renew").status == 0
    renewed = fleet.repository()
    assert {name for name in renewed if renewed[name] != before.get(name)} == {"metadata/timestamp.json"}
    done = ota(*release, "--request", "request.json")
    assert "Where the snapshot and timestamp keys are, run:" in done.out
    os.rename(fleet.directory / "kept.pem", keys / "online.pem")
    assert ota("publish", "request.json").status == 0
    assert ota("list-updates", "--json").json["updates"][0]["version"] == "1.2.0"


def test_two_snapshot_keys_that_both_must_sign(ota: Manager, fleet: Fleet) -> None:
    ota("keys", "init", "keys/b.pem", "--unencrypted", "--type", "ed25519")
    done = ota("keys", "add", "snapshot", "keys/b.pub", "--threshold", "2", "--yes")
    assert done.status == 4
    assert "too few of the keys are here: snapshot takes 2 of" in done.err
    done = ota("keys", "add", "snapshot", "keys/b.pem", "--threshold", "2", "--yes")
    assert done.status == 0, done.err
    assert ota("create-update", "--version", "1.2.0", "--file", "ota.toml:a", "--yes").status == 0
    newest = max(name for name in fleet.repository() if name.endswith(".snapshot.json"))
    assert len(json.loads(fleet.repository()[newest])["signatures"]) == 2
    (fleet.directory / "keys/b.pem").unlink()
    done = ota("create-update", "--version", "1.3.0", "--file", "ota.toml:a", "--yes")
    assert done.status == 4
    assert "snapshot takes 2 of" in done.err
    done = ota("keys", "list")
    assert "snapshot: 2 of 2 must sign" in done.out


def test_a_request_for_another_root_is_not_signed(ota: Manager, fleet: Fleet) -> None:
    ota("keys", "init", "b.pem", "--unencrypted")
    assert ota("keys", "add", "root", "b.pub", "--threshold", "2", "--yes", "--key", "file:b.pem").status == 0
    os.rename(fleet.directory / "keys/root.pem", fleet.directory / "root.pem")
    assert ota("keys", "renew", "--yes", "--request", "request.json").status == 0
    old = fleet.repository()["metadata/1.root.json"]
    (fleet.directory / "old.json").write_bytes(old)
    done = ota("sign", "request.json", "--key", "file:b.pem", "--root", "old.json", "--yes")
    assert done.status == 20
    assert "made for another root (version 2) than old.json (version 1)" in done.err
    done = ota("sign", "request.json", "--key", "file:root.pem", "--root", "root.json", "--yes")
    assert done.status == 0, done.err
    assert "Still needed" in done.out
    done = ota("sign", "request.json", "--key", "file:b.pem", "--yes", "--json")
    assert done.json["complete"] is True
    assert ota("publish", "request.json").status == 0
    assert "metadata/3.root.json" in fleet.repository()


def test_another_machine_follows_a_change(ota: Manager, fleet: Fleet) -> None:
    first = (fleet.directory / "root.json").read_bytes()
    assert ota("keys", "renew", "--yes").status == 0
    newest = (fleet.directory / "root.json").read_bytes()
    assert newest != first
    (fleet.directory / "root.json").write_bytes(first)
    assert ota("renew").status == 0
    assert (fleet.directory / "root.json").read_bytes() == newest


def test_the_release_key_moves_to_a_kms(ota: Manager, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(AwsKms) as address:
        for name, value in {
            "AWS_ENDPOINT_URL_KMS": f"http://{address}",
            "AWS_ACCESS_KEY_ID": "operator",
            "AWS_SECRET_ACCESS_KEY": "not-really-secret",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }.items():
            monkeypatch.setenv(name, value)
        done = ota("keys", "rotate", "release", "--to", "awskms:alias/release", "--yes")
        assert done.status == 0, done.err
        assert load_config(fleet.config).keys.release == ["awskms:alias/release"]
        done = ota("create-update", "--version", "1.2.0", "--file", "ota.toml:a", "--yes")
        assert done.status == 0, done.err
    verified = ota("verify", "1.2.0", "--json").json
    assert verified["key_ids"] == [release_id(ota)]


@pytest.mark.parametrize(
    "keys",
    ['[keys]\nrelease = "file:a.pem" # mine\n', "[keys]\n", "", '[keys]\nroot = "file:r.pem"\n[registry]\n'],
)
def test_ota_toml_names_the_new_keys_and_stays_as_it_is(fleet: Fleet, keys: str) -> None:
    text = fleet.config.read_text()
    start, end = text.index("[keys]"), text.index("[registry]")
    fleet.config.write_text(text[:start] + text[end:] + keys.replace("[registry]\n", ""))
    config = load_config(fleet.config)
    new = [f"file:{fleet.directory}/keys/new.pem", "awskms:alias/x"]
    name_keys(config, {"release": new})
    changed = load_config(fleet.config)
    assert changed.keys.release == new
    assert changed.model_copy(update={"keys": config.keys}) == config
    assert "file:keys/new.pem" in fleet.config.read_text()
    assert changed.keys.root == config.keys.root


def test_ota_toml_in_another_hand_is_left_to_the_operator(fleet: Fleet) -> None:
    text = fleet.config.read_text()
    start, end = text.index("[keys]"), text.index("[registry]")
    inline = "keys = { release = 'file:a.pem' }\n"
    fleet.config.write_text(inline + text[:start] + text[end:])
    before = fleet.config.read_text()
    with pytest.raises(ConfigError) as error:
        name_keys(load_config(fleet.config), {"release": ["awskms:alias/x"]})
    assert error.value.hint == 'write there, under [keys]: release = "awskms:alias/x"'
    assert fleet.config.read_text() == before
    assert tomllib.loads(before)["keys"]
