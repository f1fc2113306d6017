"""Secrets while real playbooks run with -vvv: not in output, logs, arguments, or open files."""

from __future__ import annotations

import json
import signal
import stat
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.processes import MANAGER
from tests.support.rollout.fleets import Fleet
from tests.support.rollout.watching import Watched, start, watch
from tests.support.waiting import wait_for

pytestmark = pytest.mark.case("A33")

PASSWORD = "mqtt-5ecret-of-a-gateway"
TOKEN = "ota_t0ken-of-a-gateway"
VARIABLE = "wifi-5ecret-of-a-site"
PASSPHRASE = "passphrase-0f-the-release-key"
STORE_SECRET = "5ecret-of-the-store"


def environment(fleet: Fleet, tmp_path: Path) -> dict[str, str]:
    log = str(tmp_path / "temporary" / "ansible.log")
    return {**fleet.environment(), "ANSIBLE_LOG_PATH": log, "ANSIBLE_VERBOSITY": "3"}


def check_kept(seen: Watched, *secrets: str) -> None:
    assert "ansible-playbook" in seen.texts["arguments"], "the process list was not seen"
    assert [place for secret in secrets for place in seen.places_of(secret)] == []


def test_a_rollout_shows_no_token_and_leaves_nothing(fleet: Fleet, tmp_path: Path) -> None:
    a = fleet.add("a", update="rolls_back", reason="mqtt-bridge: exited 1")
    words = ["rollout", "--version", fleet.version, "--gateways", a]
    argv = [*MANAGER, "--config", str(fleet.config), *words]
    temporary = tmp_path / "temporary"
    given = {"OTA_RELEASE_PASSPHRASE": PASSPHRASE, "AWS_SECRET_ACCESS_KEY": STORE_SECRET}
    seen = watch(argv, fleet.directory, environment(fleet, tmp_path) | given, temporary)

    assert seen.status == 40
    assert "Apply the update" in seen.texts[str(temporary / "ansible.log")]
    token = (fleet.directory / "operator-token").read_text().strip()
    # Of the environment the passphrase is ours, and nobody else is given it.
    environments = seen.texts.pop("environments")
    assert STORE_SECRET in environments, "no process below the command was seen"
    assert PASSPHRASE not in environments
    check_kept(seen, token, fleet.tokens[a], PASSPHRASE, STORE_SECRET)
    assert list(seen.modes.values()) == [0o700]
    assert [path.name for path in temporary.iterdir()] == ["ansible.log"], "all else is removed"


def test_sigterm_leaves_no_private_directory(fleet: Fleet, tmp_path: Path) -> None:
    a = fleet.add("a", update="hangs")
    temporary = tmp_path / "temporary"
    words = ["rollout", "--version", fleet.version, "--gateways", a]
    running = start([*MANAGER, "--config", str(fleet.config), *words], fleet.directory, fleet.environment(), temporary)
    hanging = fleet.directory / "gateways" / a / "hanging"
    try:
        wait_for(lambda: hanging.exists() or running.poll() is not None, "the update to hang", 120)
        assert list(temporary.glob("ota-rollout-*"))
        running.send_signal(signal.SIGTERM)
        answer, _ = running.communicate(timeout=60)
    finally:
        running.kill()

    assert running.returncode == 130, answer
    assert list(temporary.glob("ota-rollout-*")) == []


def test_the_role_writes_secrets_without_showing_them(fleet: Fleet, tmp_path: Path) -> None:
    config = tmp_path / "etc"
    token, variables, playbook = tmp_path / "token", tmp_path / "variables.json", tmp_path / "play.yml"
    token.write_text(TOKEN + "\n")
    variables.write_text(
        json.dumps(
            {
                "ota_gateway_fleet": "healthguard",
                "ota_gateway_root": str(fleet.directory / "root.json"),
                "ota_gateway_repository_url": "http://127.0.0.1:1/ota",
                "ota_gateway_initial_version": "1.0.0",
                "ota_gateway_config_dir": str(config),
                "ota_gateway_state_dir": str(tmp_path / "state"),
                "ota_gateway_api_url": "http://127.0.0.1:1",
                "ota_gateway_token_file": str(token),
                "ota_gateway_mqtt_host": "127.0.0.1",
                "ota_gateway_mqtt_password": PASSWORD,
                "ota_gateway_variables": {"wifi_password": VARIABLE},
            }
        )
    )
    tasks = {"ansible.builtin.include_role": {"name": "ota_gateway", "tasks_from": "configuration.yml"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [tasks]}
    playbook.write_text(json.dumps([play]))
    argv = ["ansible-playbook", str(playbook), "-e", f"@{variables}", "--diff", "-vvv"]
    env = {**environment(fleet, tmp_path), "ANSIBLE_ROLES_PATH": str(ROOT / "roles")}
    seen = watch(argv, fleet.directory, env, tmp_path / "temporary")

    assert (config / "token").read_text().strip() == TOKEN, seen.texts["output"][-3000:]
    assert (config / "mqtt-password").read_text().strip() == PASSWORD
    assert VARIABLE in (config / "gateway.toml").read_text()
    check_kept(seen, TOKEN, PASSWORD, VARIABLE)
    secret = [config / "token", config / "mqtt-password", config / "gateway.toml"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert stat.S_IMODE(config.stat().st_mode) == 0o700
    assert PASSWORD not in (config / "gateway.toml").read_text()
