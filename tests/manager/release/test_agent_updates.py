"""The gateway software as a part of an update by `create-update --agent`, and in `list-updates`."""

from __future__ import annotations

import json

import pytest

from tests.support.manager.fleets import Fleet, Manager
from tests.support.selfupdate.wheelhouses import archive


def create(ota: Manager, *agents: str):
    words = [word for agent in agents for word in ("--agent", agent)]
    return ota("create-update", "--version", "1.2.0", *words)


def test_an_update_of_the_gateway_software_alone(fleet: Fleet, ota: Manager) -> None:
    done = create(ota, archive(fleet.directory), archive(fleet.directory, "3.11", "arm64"))
    assert done.status == 0, done.err
    assert "gateway software 0.2.0-s3.13amd64: 0.0 MB, Python 3.13, amd64" in done.out
    found = ota("verify", "1.2.0", "--json").json["manifest"]
    assert found["agent"]["version"] == "0.2.0"
    kinds = [(w["name"], w["architecture"], w["python"]) for w in found["agent"]["wheelhouses"]]
    assert kinds == [("0.2.0-s3.13amd64", "amd64", "3.13"), ("0.2.0-s3.11arm64", "arm64", "3.11")]
    assert found["compatibility"]["architectures"] == ["amd64", "arm64"]
    assert "gateway software 0.2.0-s3.13amd64: Python 3.13, amd64" in ota("verify", "1.2.0").out
    assert ota("list-updates", "--json").json["updates"][0]["agent_version"] == "0.2.0"
    assert "0.2.0" in ota("list-updates").out


def test_the_list_tells_what_becomes_of_data_and_where_hooks_run(fleet: Fleet, ota: Manager) -> None:
    hooks = [
        {"at": point, "service": "mqtt-bridge", "command": ["/bin/true"]}
        for point in ("before-stop", "after-start", "before-stop")
    ]
    assert ota.create("1.2.0", "--migrates").status == 0
    assert ota.create("1.3.0", "--on-rollback", "keep", "--hooks", json.dumps(hooks)).status == 0
    assert ota.create("1.4.0").status == 0
    plain, keeps, migrates = ota("list-updates", "--json").json["updates"]
    names = ("migrates", "on_rollback", "hooks")
    assert [plain[name] for name in names] == [False, "restore", []]
    assert [keeps[name] for name in names] == [False, "keep", ["before-stop", "after-start", "before-stop"]]
    assert [migrates[name] for name in names] == [True, "restore", []]
    _, first, second, third = ota("list-updates").out.splitlines()
    assert first.split()[-3:] == ["-", "-", "-"], "no gateway software, nothing to note, no description"
    assert "rollback keeps data,hooks before-stop after-start  -" in second
    assert "migrates data  " in third


def test_a_wheelhouse_that_was_altered_in_the_store_is_found(fleet: Fleet, ota: Manager) -> None:
    assert create(ota, archive(fleet.directory)).status == 0
    [path] = (fleet.directory / "repository" / "targets" / "updates" / "1.2.0" / "agent").iterdir()
    raw = bytearray(path.read_bytes())
    raw[3000] ^= 1
    path.write_bytes(raw)
    done = ota("verify", "1.2.0")
    assert done.status == 20
    assert "gateway software 0.2.0-s3.13amd64 has sha256" in done.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["3.13"], "neither a kind of gateway nor a file"),
        (["3.13/sparc"], "neither a kind of gateway nor a file"),
        (["latest/amd64"], "is not a Python version"),
        (["ota.toml"], "ota.toml is not a wheelhouse"),
        ([("3.13", "amd64"), ("3.13", "amd64", "0.3.0")], "are of the versions 0.2.0, 0.3.0, expected one"),
        ([("3.13", "amd64"), ("3.13", "amd64")], "are for the same architecture and Python"),
        ([("3.13", "riscv64")], "Input should be 'amd64', 'arm64' or 'arm'"),
    ],
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(
    fleet: Fleet, ota: Manager, given: list, words: str
) -> None:
    before = fleet.state()
    paths: dict[tuple, str] = {}
    for kind in given:
        if isinstance(kind, tuple) and kind not in paths:
            paths[kind] = archive(fleet.directory, *kind)
    done = create(ota, *(paths.get(kind, kind) for kind in given))
    assert done.status == 2
    assert words in done.err
    assert fleet.state() == before
