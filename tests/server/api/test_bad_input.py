"""Bad input to the API: no answer is a failure of its inside, and every refusal has the one form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django.db import transaction as database_transaction
from django.test import Client

from ota_py.server.api import api
from tests.support.server.world import Api, World, report, rollout_body, update_body

HUGE = 10**4000
# Written as they are: Python's own JSON would refuse some, and so must the API.
RAW = [
    b"",
    b"{",
    b"nonsense",
    b"\xff\xfe",
    b"[" * 5000,
    b'{"a": NaN}',
    b'{"a": 1e400}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"a": "\\ud800"}',
    b'"\x00"',
    b"null",
    b"[]",
    b"0",
    b'{"nobody": "knows this"}',
]
# Strings that begin with @ are written as they are, without the @ and without quotes.
VALUES = [
    "@1e400",
    "@NaN",
    "@" + "9" * 5000,
    None,
    True,
    -1,
    2**63,
    HUGE,
    1e308,
    "",
    "x" * 70_000,
    "a\x00b",
    "\x00",
    "1.2.0\n",
    "\u0661.2.0",
    "'; DROP TABLE fleet_gateway; --",
    [],
    ["\x00", 1, None, {}],
    {},
    {"\x00": {"\x00": "\x00"}},
    {"a": HUGE},
    {"a": "@1e400"},
    {"a": "@" + "9" * 5000},
]
IN_ADDRESS = [
    "%00",
    "a%00b",
    "x" * 5000,
    "-1",
    "9" * 400,
    "%FF%FE",
    "..%2F..",
    "1.2.0%0A",
    "%D9%A1.2.0",
    "%F0%9F%A6%86",
]
BODIES = {
    ("post", "/gateways/{gateway_id}/reports"): {"reports": [report("gw_000", details={"a": 1})]},
    ("post", "/gateways"): {"id": "x", "delivery": "pull", "address": "a", "groups": ["a"], "hardware": "h"},
    ("patch", "/gateways/{gateway_id}"): {"delivery": "pull", "address": "a", "groups": [], "hardware": "h"},
    ("post", "/updates"): update_body("1.2.0", agent_version="1", hooks=[], sbom=[], migrates=False),
    ("post", "/rollouts"): rollout_body(["gw_000"], max_failures="0"),
    ("post", "/rollouts/plan"): rollout_body(["gw_000"], max_failures="0"),
    ("post", "/rollouts/{rollout_id}/start"): {"controller": "c"},
    ("post", "/rollouts/{rollout_id}/pause"): {"reason": "r"},
    ("post", "/rollouts/{rollout_id}/abort"): {"reason": "r"},
    ("post", "/rollouts/{rollout_id}/gateways/{gateway_id}"): {"state": "DEFERRED", "reason": "r"},
}
OPERATIONS = [
    (method, path.removeprefix("/api/v1"), operation)
    for path, item in api.get_openapi_schema()["paths"].items()
    for method, operation in item.items()
]


@pytest.fixture
def callers(world: World) -> list[Api]:
    """The operator and a gateway, in a fleet with a running rollout."""
    world.running(world.fleet(1))
    return [world.operator, world.gateways["gw_000"]]


def check(callers: list[Api], method: str, path: str, raw: bytes | None = None) -> None:
    """Check that no request fails inside, and that none changes anything for the next one."""
    for caller in callers:
        with database_transaction.atomic():
            answer = caller.call(method.upper(), path, raw=raw)
            database_transaction.set_rollback(True)
        output = f"{method} {path[:200]} {(raw or b'')[:200]!r}: {answer.status_code} {answer.content[:500]!r}"
        assert answer.status_code < 500, output
        if answer.status_code >= 400:
            error = json.loads(answer.content)["error"]
            assert all(error[field] for field in ("code", "message", "hint")), output
            assert len(answer.content) < 16_384, output


def address(path: str) -> str:
    return path.format(gateway_id="gw_000", rollout_id="1", batch="0", version="1.1.0")


def changed(value: Any) -> Iterator[Any]:
    """Variants of a value: each part in turn replaced by each bad one, or missing."""
    yield from VALUES
    if isinstance(value, dict):
        for name in value:
            yield {key: part for key, part in value.items() if key != name}
            yield from ({**value, name: part} for part in changed(value[name]))
        yield {**value, "nobody": "knows this"}
    if isinstance(value, list) and value:
        yield from ([part, *value[1:]] for part in changed(value[0]))


def written(value: Any) -> bytes:
    """A value as JSON, also one that Python would not write."""
    return re.sub(rb'"@([^"]*)"', rb"\1", json.dumps(value).encode())


@pytest.mark.parametrize(("method", "path"), BODIES)
def test_bad_bodies(callers: list[Api], method: str, path: str) -> None:
    for raw in [*RAW, *map(written, changed(BODIES[method, path]))]:
        check(callers[-1:] if path.endswith("/reports") else callers[:1], method, address(path), raw)


def test_bad_addresses(callers: list[Api]) -> None:
    for method, path, operation in OPERATIONS:
        for parameter, bad in product(operation.get("parameters", []), IN_ADDRESS):
            name = parameter["name"]
            if parameter["in"] == "path":
                check(callers, method, address(path.replace(f"{{{name}}}", bad)), b"{}")
            else:
                check(callers, method, f"{address(path)}?{name}={bad}")
        check(callers, "TRACE", address(path))
        check(callers, method, address(path) + "/%00")


def test_what_no_handler_of_the_api_answers_has_the_same_form(world: World) -> None:
    method = world.operator.call("DELETE", "/gateways")
    assert (method.status_code, method["Allow"]) == (405, "GET, POST")
    assert method.json()["error"] == {
        "code": "usage",
        "message": "DELETE is not allowed for /api/v1/gateways",
        "hint": "use GET, POST",
    }
    poll = world.nobody.call("POST", "/gateways/gw_000/assignment")
    assert (poll.status_code, poll.json()["error"]["hint"]) == (405, "use GET")
    unknown = world.nobody.get("/nothing/at/all").json()["error"]
    assert unknown["message"] == "there is no path /api/v1/nothing/at/all in the API"
    outside = Client().get("/api/")
    assert (outside.status_code, outside.json()["error"]["code"]) == (404, "not_found")
    assert Client().get("/nothing/").headers["Content-Type"].startswith("text/html")


def test_a_failure_outside_the_handlers_says_nothing_of_the_inside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ota_py.server.api.poll.look_up", lambda _: 1 / 0)
    answer = world.operator.get("/gateways/gw_000/assignment")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b'{"id": ', "EOF while parsing a value at line 1 column 7"),
        (b'{"id": 1e400}', "a number in it is too large"),
        (b'{"id": NaN}', "expected value at line 1 column 8"),
        (b"<id/>", "expected value at line 1 column 1"),
    ],
)
def test_a_body_that_is_no_json_is_refused_with_the_place(world: World, raw: bytes, where: str) -> None:
    answer = world.operator.call("POST", "/gateways", raw=raw)
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        {
            "code": "usage",
            "message": f"the body is not valid JSON: {where}",
            "hint": "send one JSON object",
        },
    )


def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    answer = world.operator.call("POST", "/updates", raw=b'"' + b"x" * 1024 * 1024 + b'"')
    assert answer.status_code == 413
    assert answer.json()["error"]["hint"] == "send it in parts"


def test_nul_in_a_filter_is_refused_before_the_database(world: World) -> None:
    assert "version: " in world.operator.refused(422, "GET", "/gateways?version=1%00")


def test_many_wrong_names_are_not_all_repeated(world: World) -> None:
    message = world.operator.refused(
        404, "POST", "/rollouts", rollout_body([f"x{n}" for n in range(50)], world.update()["version"])
    )
    assert message.endswith("x19 and 30 more")
