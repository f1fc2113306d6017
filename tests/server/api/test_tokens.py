"""Permissions: every path of the API against every kind of caller (A30)."""

from __future__ import annotations

import pytest

from ota_py.errors import UsageError
from ota_py.server.api import api
from ota_py.server.tokens.models import ApiToken
from ota_py.server.tokens.services import create_token, digest
from tests.support.server.world import Api, World

pytestmark = pytest.mark.django_db

GATEWAY_OWN = {("get", "/gateways/{gateway_id}/assignment"), ("post", "/gateways/{gateway_id}/reports")}
OPEN = {("get", "/health")}


def operations() -> list[tuple[str, str]]:
    paths = api.get_openapi_schema()["paths"]
    return sorted((method, path.removeprefix("/api/v1")) for path, item in paths.items() for method in item)


def reads(method: str, path: str) -> bool:
    return (method == "get" and (method, path) not in GATEWAY_OWN) or path == "/rollouts/plan"


def concrete(path: str, gateway: str) -> str:
    for name, value in {"gateway_id": gateway, "version": "1.1.0", "rollout_id": "1", "batch": "0"}.items():
        path = path.replace("{" + name + "}", value)
    return path


def status(caller: Api, method: str, path: str, gateway: str = "boston_001") -> int:
    return caller.call(method.upper(), concrete(path, gateway)).status_code


@pytest.mark.parametrize(("method", "path"), operations())
def test_every_path_against_every_caller(world: World, method: str, path: str) -> None:
    own = world.gateway("boston_001")
    other = world.gateway("boston_002")
    refused = (401, 403)
    assert (status(world.nobody, method, path) == 401) == ((method, path) not in OPEN)
    if (method, path) in OPEN:
        return
    assert status(Api("ota_wrong"), method, path) == 401
    assert (status(world.reader, method, path) not in refused) == reads(method, path)
    is_poll = path.endswith("/assignment")
    assert (status(world.operator, method, path) in refused) == is_poll
    assert (status(own, method, path) not in refused) == ((method, path) in GATEWAY_OWN)
    assert status(other, method, path) == 403


def test_the_document_of_the_api_needs_a_token(world: World) -> None:
    assert world.nobody.get("/openapi.json").status_code == 401
    assert world.gateway("boston_001").get("/openapi.json").status_code == 403
    assert world.reader.get("/openapi.json").json()["openapi"].startswith("3.")


def test_a_gateway_on_anothers_path_is_told_why(world: World) -> None:
    one = world.gateway("boston_001")
    world.gateway("boston_002")
    message = one.refused(403, "GET", "/gateways/boston_002/assignment")
    assert message == "this token belongs to gateway boston_001, and the path to another one"


def test_a_revoked_token_is_refused_on_both_paths(world: World) -> None:
    gateway = world.gateway("boston_001")
    fresh = world.operator.ok("POST", "/gateways/boston_001/token")["token"]
    assert gateway.get("/gateways/boston_001/assignment").status_code == 401
    assert gateway.post("/gateways/boston_001/reports", {"reports": []}).status_code == 401
    assert Api(fresh).get("/gateways/boston_001/assignment").status_code == 204


@pytest.mark.case("A33")
def test_only_the_hash_of_a_token_is_kept() -> None:
    token = create_token("olga", "operator")
    record = ApiToken.objects.get(digest=digest(token))
    assert token not in {str(value) for value in vars(record).values()}
    assert len(token) >= 43


@pytest.mark.parametrize("role", ["admin", "gateway", ""])
def test_a_role_that_does_not_fit_is_refused(role: str) -> None:
    with pytest.raises(UsageError):
        create_token("olga", role)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic b2xnYTpwdw==", "Token x", "Bearer \u00e9"])
def test_odd_authorization_headers_are_401(world: World, header: str) -> None:
    answer = world.nobody._client.get("/api/v1/gateways", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "the token is missing, unknown, expired or revoked"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_session_of_the_admin_is_no_token(world: World, admin_client: object) -> None:
    assert admin_client.get("/api/v1/gateways").status_code == 401  # type: ignore[attr-defined]
