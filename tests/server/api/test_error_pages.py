"""Failures of the control plane, which show no secret to the caller or in the log."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client

from ota_py.server import settings as own
from ota_py.server.fleet.models import Gateway
from tests.support.server.world import Api, World

pytestmark = [pytest.mark.django_db, pytest.mark.case("A33")]

CANARY = "c4nary-in-a-local-variable"


class DefectError(Exception):
    """A defect, with a secret among the variables of its frames."""


def fail(*_: Any, **__: Any) -> Any:
    password = CANARY
    raise DefectError(f"a defect, {len(password)}")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log as the server's own handler writes it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter(own.LOGGING["formatters"]["line"]["format"]))
    loggers = [logging.getLogger(), logging.getLogger("django")]
    for logger in loggers:
        logger.addHandler(handler)
    yield written
    for logger in loggers:
        logger.removeHandler(handler)


def secrets_of(*more: str) -> list[str]:
    database = settings.DATABASES["default"].get("PASSWORD")
    return [settings.SECRET_KEY, CANARY, *([database] if database else []), *more]


def check_kept(content: bytes, log: io.StringIO, *more: str) -> None:
    output = content.decode() + log.getvalue()
    assert [secret for secret in secrets_of(*more) if secret in output] == []


def test_nothing_makes_the_server_show_its_inside() -> None:
    assert own.DEBUG is False
    assert "DEBUG" not in {name.removeprefix("OTA_SERVER_") for name in own.SERVER.to_environment()}


def test_a_defect_in_a_page(admin_client: Client, monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    monkeypatch.setattr(Gateway.objects, "get_queryset", fail)
    admin_client.raise_request_exception = False
    answer = admin_client.get("/admin/fleet/gateway/?password=c4nary-in-a-query")

    assert answer.status_code == 500
    assert b"Server Error (500)" in answer.content
    for inside in (b"Traceback", b"settings", b"Defect", b".py"):
        assert inside not in answer.content
    assert "a defect, 26" in log.getvalue(), "the log says why"
    session = admin_client.cookies["sessionid"].value
    check_kept(answer.content, log, session, "c4nary-in-a-query")


@pytest.mark.parametrize("error", [DefectError("a defect"), OperationalError("the database is away")])
def test_a_defect_in_the_api(world: World, monkeypatch: pytest.MonkeyPatch, log: io.StringIO, error: Exception) -> None:
    def fail_so(*_: Any, **__: Any) -> Any:
        password = CANARY
        raise error from ValueError(f"{len(password)}")

    monkeypatch.setattr(Gateway.objects, "get_queryset", fail_so)
    token = world.operator.token
    assert token
    answer = world.operator.get("/gateways")

    assert answer.status_code == (503 if isinstance(error, OperationalError) else 500)
    assert set(answer.json()["error"]) == {"code", "message", "hint"}
    assert str(error) not in answer.content.decode()
    assert str(error) in log.getvalue(), "the log says why"
    check_kept(answer.content, log, token)


def test_a_token_that_is_refused_is_neither_shown_nor_logged(world: World, log: io.StringIO) -> None:
    token = "ota_c4nary-that-is-no-token"
    answer = Api(token).get("/gateways")
    assert answer.status_code == 401
    check_kept(answer.content, log, token)
