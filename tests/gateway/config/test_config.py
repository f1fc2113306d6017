"""gateway.toml: every mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota_py.errors import ConfigError
from ota_py.gateway.config.model import load

GOOD = """
gateway_id = "boston_001"
fleet = "healthguard"
repository_url = "https://updates.example/ota"
initial_version = "1.0.0"
"""


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(GOOD)
    config = load(tmp_path / "g.toml")
    assert config.journal_path == Path("/var/lib/ota/journal.db")
    assert (config.timeout_minutes, config.keep_backups, config.api) == (30, 3, None)
    assert config.template_variables("1.1.0")["version"] == "1.1.0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("boston_001", "Boston 1"), "gateway_id: "),
        (GOOD + "surprise = 1\n", "surprise: Extra inputs are not permitted"),
        (GOOD.replace("https:", "ftp:"), "repository_url: "),
        (GOOD.replace("1.0.0", "1.0"), "is not a semantic version"),
        (GOOD + "timeout_minutes = 0\n", "timeout_minutes: "),
        (GOOD + '[[databases]]\ntype = "postgresql"\n', "needs service and user and name"),
        (GOOD + '[[probes]]\ntype = "tcp"\nhost = "x"\nport = 0\n', "port: "),
        (GOOD + "[api]\n", "api.url: Field required"),
        ("a = [", "is not valid TOML"),
        ("\x00", "is not valid TOML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "g.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "g.toml")
    assert message in caught.value.message
    assert "g.toml" in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTA_GATEWAY_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match=r"none\.toml: No such file or directory"):
        load()
