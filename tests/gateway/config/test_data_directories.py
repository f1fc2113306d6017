"""A directory that is restored is emptied first: so not every directory may be named as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota_py.errors import ConfigError
from ota_py.gateway.config import model
from tests.support.gateway import gateways


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/var", "/var/lib", "/etc", "/usr", "/lib", "/proc/1", "/run/x", "/dev/shm"),
        *(".", "ota", "ota/venv", "../project", "STATE", "STATE/backups", "PROJECT", "data/../.."),
    ],
)
def test_what_holds_more_than_data_is_refused(tmp_path: Path, path: str) -> None:
    given = path.replace("STATE", f"{tmp_path}/state").replace("PROJECT", f"{tmp_path}/project")
    with pytest.raises(ConfigError, match=r"databases: .*; name a directory that holds nothing but data"):
        load(tmp_path, given)


@pytest.mark.parametrize("path", ["data", "./data/readings", "/srv/data", "/data", "/var/lib/readings"])
def test_data_inside_and_outside_the_project(tmp_path: Path, path: str) -> None:
    assert load(tmp_path, path).databases[0].label == f"directory {Path(path)}"


def load(directory: Path, path: str) -> model.GatewayConfig:
    file = gateways.write(directory)
    text = f'project_dir = "{directory}/project"\n{file.read_text()}'
    file.write_text(f'{text}\n[[databases]]\ntype = "directory"\npath = "{path}"\n')
    return model.load(file)
