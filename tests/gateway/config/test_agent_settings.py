import pytest

from ota_py.errors import ConfigError
from ota_py.gateway.config import agent_settings
from ota_py.gateway.config.model import GatewayConfig
from tests.support.gateway import gateways


class AnyBroker:
    port = 8883
    ca_file = "/etc/ota/ca.pem"


def same(found, config: GatewayConfig) -> None:
    for name, value in vars(found).items():
        expected = getattr(config, name)
        if hasattr(value, "__dict__") and name in ("api", "mqtt", "maintenance"):
            assert type(expected).model_fields.keys() == vars(value).keys(), f"a setting of {name} is missing"
            same(value, expected)
        else:
            assert (type(value), value) == (type(expected), expected)


def test_settings_are_the_configuration(tmp_path):
    path = gateways.write(tmp_path, url="http://127.0.0.1:1", broker=AnyBroker())
    same(agent_settings.load(path), gateways.read(tmp_path))


def test_sections_may_be_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("OTA_GATEWAY_CONFIG", str(gateways.write(tmp_path)))
    found = agent_settings.load()
    assert (found.api, found.mqtt) == (None, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "cannot read"), ("gateway_id", "not valid TOML"), ('fleet = "a"', "gateway_id")],
)
def test_a_wrong_configuration_is_the_same_error(tmp_path, text, problem):
    path = tmp_path / "gateway.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        agent_settings.load(path)
