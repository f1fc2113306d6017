"""The table of what is harmless covers files as people write them, and nothing that reaches out of the box."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota_py.gateway.docker.project import Project
from ota_py.gateway.policy import compose_requests, harmless
from ota_py.gateway.policy.rules import GatewayDirectories
from tests.gateway.policy.test_one_reading import CORPUS, project, resolved

__all__ = ["project"]

pytestmark = [pytest.mark.docker, pytest.mark.case("A46")]

GRANTS = {
    "devices": {("app", "devices: /dev/ttyUSB0:/dev/ttyUSB0:rwm")},
    "hardened": {("app", "cap_add: NET_BIND_SERVICE")},
    "network-modes": {("a", "network_mode: host"), ("b", "network_mode: host"), ("c", "pid: host")},
}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_ordinary_files_need_a_grant_for_what_reaches_out_alone(
    path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PWD", str(project))
    document = resolved(project, path.read_bytes())
    assert document is not None
    found = compose_requests.of_project(Project(document), GatewayDirectories(project, ()))
    assert {request.key for request in found} == GRANTS.get(path.stem, set())


def test_no_key_is_in_two_groups_and_each_has_a_reason() -> None:
    tables = [value for name, value in vars(harmless).items() if name.endswith("_GROUPS")]
    assert len(tables) == 8
    for groups in tables:
        names = [key for group in groups for key in group.keys.split()]
        assert len(names) == len(set(names))
        assert all(len(group.why) > 5 for group in groups)
