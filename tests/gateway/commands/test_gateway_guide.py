"""The gateway guide says what gateway.toml takes, and names every command and exit status of a gateway."""

import re

import click
import pytest

from ota_py.errors import all_errors
from ota_py.gateway.cli import command
from ota_py.gateway.config.model import (
    AgentConfig,
    ApiConfig,
    FetchConfig,
    GatewayConfig,
    HooksConfig,
    MaintenanceConfig,
    MqttConfig,
    PolicyConfig,
)
from ota_py.gateway.journal import states
from tests.support.paths import ROOT

GUIDE = (ROOT / "docs/gateway-guide.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_.]+)` \| (.*?) \|", GUIDE.partition("## gateway.toml")[2], re.MULTILINE))
SECTIONS = {
    "api": ApiConfig,
    "mqtt": MqttConfig,
    "maintenance": MaintenanceConfig,
    "hooks": HooksConfig,
    "policy": PolicyConfig,
    "fetch": FetchConfig,
    "agent": AgentConfig,
}
FIELDS = {
    **{name: field for name, field in GatewayConfig.model_fields.items() if name not in SECTIONS},
    **{f"{name}.{part}": field for name, section in SECTIONS.items() for part, field in section.model_fields.items()},
}


def test_every_setting_has_a_row_and_no_row_is_left_over():
    assert ROWS.keys() == FIELDS.keys()


@pytest.mark.parametrize("name", FIELDS)
def test_the_row_tells_the_default(name):
    field, shown = FIELDS[name], ROWS[name]
    if field.is_required():
        assert shown.startswith("required")
    elif field.default is False:
        assert shown == "`false`"
    elif field.default not in (None, [], {}):
        given = " ".join(field.default) if isinstance(field.default, list) else field.default
        assert shown == f"`{given}`"
    else:
        assert not shown.startswith(("required", "`"))


def test_every_command_has_a_row():
    commands = command.list_commands(click.Context(command))
    assert not [name for name in commands if f"| `ota_client.py {name}` |" not in GUIDE]


def test_every_state_is_explained():
    assert not [state for state in states.State if f"`{state}`" not in GUIDE and state != "ROLLING_BACK"]


def test_every_exit_status_of_a_gateway_is_listed():
    listed = {int(n) for row in re.findall(r"^\| ([\d, ]+) \|", GUIDE, re.MULTILINE) for n in row.split(",")}
    controller_only = {1, 4, 5, 40, 41, 42, 43, 130}
    assert {error.exit_status for error in all_errors()} - controller_only <= listed


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target
