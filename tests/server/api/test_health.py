"""The path `/health`, the only open one."""

from __future__ import annotations

import pytest
from django.db import InterfaceError, OperationalError
from django.db.backends.utils import CursorWrapper

from ota_py import __version__
from ota_py.server.fleet.models import Gateway
from tests.support.server.world import World


def test_health_is_open_and_names_the_version(world: World) -> None:
    answer = world.nobody.get("/health")
    assert answer.json() == {"status": "ok", "version": __version__}


def test_an_unknown_path_is_404(world: World) -> None:
    message = world.operator.refused(404, "GET", "/nothing")
    assert message == "there is no path /api/v1/nothing in the API"


@pytest.mark.parametrize("path", ["/gateways", "/gateways/gw_000/assignment", "/health"])
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_503_and_says_nothing_of_the_inside(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str, error: type[Exception]
) -> None:
    world.fleet(1)

    def fail(*_: object) -> None:
        raise error("could not connect to 10.0.0.5 as ota")

    with monkeypatch.context() as broken:
        broken.setattr(CursorWrapper, "execute", fail)
        answer = world.gateways["gw_000"].get(path)
    assert answer.status_code == 503
    assert answer.json()["error"]["message"] == "the control plane's database does not answer"
    assert answer["Retry-After"] == "5"


def test_what_nobody_foresaw_is_500_without_a_trace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gateway.objects, "all", lambda: 1 / 0)
    message = world.operator.refused(500, "GET", "/gateways")
    assert message == "the control plane failed; its log says why"
