"""The gateway software from a stick: exported by the operator's commands, taken with no network."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.manager.fleets import Fleet, Manager
from tests.support.processes import captured
from tests.support.selfupdate.box import OLD, Box
from tests.support.waiting import wait_for

NEW = "0.2.0-test"
# A project whose only service is scaled to zero: the engine is asked, and nothing is started or pulled.
COMPOSE = "name: {name}\nservices:\n  app:\n    image: nowhere.invalid/app:1\n    deploy:\n      replicas: 0\n"


def take(box: Box, bundle: Path) -> dict:
    """Take a bundle as a person on site does, with the build in use."""
    client = box.ota / "venv" / "commands" / "ota_client.py"
    argv = [box.ota / "venv" / "bin" / "python", client, "update", "--bundle", bundle]
    done = captured([*argv, "--json", "--config", box.config_file], environment=box.processes.environment, seconds=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.docker
@pytest.mark.case("F35")
@pytest.mark.timeout(900)
def test_the_gateway_software_comes_from_a_stick(
    fleet: Fleet, ota: Manager, make_box, factory, compose_plugin: None, tmp_path: Path
) -> None:
    box = make_box()
    archive, venv = factory("0.2.0")
    box.add(venv)  # pip at work is seen in tests/gateway/selfupdate
    done = ota("create-update", "--version", "1.2.0", "--agent", str(archive))
    assert done.status == 0, done.err
    stick = tmp_path / "update.bundle"
    done = ota("export-bundle", "--version", "1.2.0", "--output", str(stick))
    assert done.status == 0, done.err
    assert stick.stat().st_size > archive.stat().st_size
    shutil.copy(fleet.directory / "repository" / "metadata" / "1.root.json", box.directory / "root.json")
    shutil.rmtree(fleet.directory / "repository")
    archive.rename(archive.with_suffix(".away"))
    (box.directory / "docker-compose.yml").write_text(COMPOSE.format(name=f"upgrade-{os.getpid()}"))
    text = box.config_file.read_text().replace('fleet = "tests"', 'fleet = "healthguard"')
    text = text.replace(f'["{box.directory}/restart"]', "[]")
    box.config_file.write_text(f'root = "{box.directory}/root.json"\n{text}')
    try:
        assert take(box, stick)["outcome"] == "SUCCEEDED"
        wait_for(lambda: box.upgrade().state not in ("FETCHED", "BUILT", "SWITCHED"), box.logs, 300)
    finally:
        archive.with_suffix(".away").rename(archive)

    ended = box.upgrade()
    assert (ended.state, ended.from_name, box.installation.current) == ("PROVED", OLD, NEW), ended.reason
    status = box.status()
    assert (status["version"], status["agent_version"]) == ("1.2.0", NEW)
    assert take(box, stick)["outcome"] == "SKIPPED"
