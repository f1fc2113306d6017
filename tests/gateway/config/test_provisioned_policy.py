"""The grants that provisioning writes into gateway.toml are those that the gateway reads."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from ota_py.gateway.config.model import PolicyConfig
from tests.support.paths import ROOT

_TEXTS = ("id", "fleet", "project_dir", "state_dir", "config_dir", "repository_url", "initial_version", "hardware")
_MORE = ("directory", "restart_command", "trial_seconds", "api_url", "mqtt_host")


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"allow_privileged": ["a"]},
        {"grants": {"app": ["cap_add: X", 'build: {"a": "b"}'], "compose file": ["include: ../x"], "a.b": ["x"]}},
    ],
)
def test_what_the_role_writes_is_read(policy: dict[str, Any]) -> None:
    environment = Environment(loader=FileSystemLoader(ROOT / "roles/ota_gateway/templates"), trim_blocks=True)
    environment.filters["to_json"] = lambda it, ensure_ascii=True: json.dumps(it, ensure_ascii=ensure_ascii)
    values: dict[str, Any] = dict.fromkeys((*_TEXTS, *_MORE), "")
    values |= {"groups": [], "settings": {}, "keep_venvs": 2, "agent": False, "variables": {}, "databases": []}
    values |= {"probes": [], "policy": policy}
    template = environment.get_template("gateway.toml.j2")
    written = tomllib.loads(template.render({f"ota_gateway_{name}": value for name, value in values.items()}))
    assert PolicyConfig(**written.get("policy", {})) == PolicyConfig(**policy)
