"""`GET /health`: the one open path."""

from __future__ import annotations

from ota_py import __version__
from tests.server.world import World


def test_health_is_open_and_names_the_version(world: World) -> None:
    answer = world.nobody.get("/health")
    assert answer.json() == {"status": "ok", "version": __version__}


def test_an_unknown_path_is_404(world: World) -> None:
    assert world.operator.get("/nothing").status_code == 404
