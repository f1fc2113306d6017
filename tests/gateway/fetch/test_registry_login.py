"""The login of the registry relay at a registry: as `docker login` stored it, by password or by token."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota_py.errors import NotFoundError, RegistryError
from ota_py.gateway.fetch.registry import RegistryRepository
from ota_py.registry_login import login
from ota_py.trust.fetch.transfer import HttpTransfer, Throttle
from tests.support.http_servers import Answer, HttpServer, QuietHandler

BASIC = "Basic " + base64.b64encode(b"shop:secret").decode()


class Server:
    """A registry that wants `kind` of authorization; its tokens last for `lasting` answers."""

    def __init__(self, kind: str) -> None:
        self.kind, self.tokens, self.lasting, self.scopes = kind, {}, 100, []
        server = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                self.send(*server.answer(self.path, self.headers.get("Authorization", "")))

        self.http = HttpServer(Handler)
        self.address = self.http.address

    def answer(self, path: str, given: str) -> Answer:
        if path.startswith("/token"):
            self.scopes.append(path)
            self.tokens[f"Bearer t{len(self.scopes)}"] = self.lasting
            body = json.dumps({"token": f"t{len(self.scopes)}"}).encode()
            return 200 if given == BASIC else 401, {}, body
        if self.kind == "basic" and given == BASIC:
            return 200, {}, b"blob"
        if self.tokens.get(given):
            self.tokens[given] -= 1
            return 200, {}, b"blob"
        realm = f"http://{self.address}/token"
        wanted = 'Basic realm="r"' if self.kind == "basic" else f'Bearer realm="{realm}",service="s"'
        return 401, {"WWW-Authenticate": wanted}, b""


@pytest.fixture(params=["basic", "bearer"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    yield server
    server.http.close()


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's config.json."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def read(server: Server) -> bytes:
    registry = RegistryRepository(
        f"{server.address}/shop/app", HttpTransfer(Throttle(), tries=1), login, is_insecure=True
    )
    return b"".join(registry.blob("sha256:0", 0))


def test_the_stored_login_is_used(server: Server, stored: Path):
    entry = {"auth": base64.b64encode(b"shop:secret").decode()}
    stored.write_text(json.dumps({"auths": {server.address: entry}}))
    assert read(server) == b"blob"
    if server.kind == "bearer":
        assert server.scopes == ["/token?service=s&scope=repository%3Ashop%2Fapp%3Apull"]


@pytest.mark.case("A33")
def test_a_login_that_a_helper_keeps_is_used_and_not_told(
    server: Server, stored: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    helper = stored.with_name("docker-credential-shop")
    helper.write_text('#!/bin/sh\ncat >&2\nprintf \'{"Username": "shop", "Secret": "secret"}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(stored.parent), prepend=":")
    stored.write_text(json.dumps({"credsStore": "shop"}))
    with caplog.at_level("DEBUG"):
        assert read(server) == b"blob"
    assert "secret" not in caplog.text
    assert BASIC not in caplog.text


def test_without_a_login_the_error_says_what_to_do(server: Server, stored: Path):
    with pytest.raises(RegistryError, match="denied access to shop/app") as caught:
        read(server)
    assert f"docker login {server.address}" in caught.value.hint


def test_a_token_that_ends_is_replaced(stored: Path):
    server = Server("bearer")
    server.lasting = 1
    link = HttpTransfer(Throttle(), tries=1)
    registry = RegistryRepository(f"{server.address}/shop/app", link, lambda _: ("shop", "secret"), is_insecure=True)
    assert [b"".join(registry.blob("sha256:0", 0)) for _ in range(3)] == [b"blob"] * 3
    assert len(server.scopes) == 3
    server.http.close()


def test_a_password_is_not_sent_to_a_token_service_without_tls(stored: Path):
    class Challenging:
        def stream(self, *_: object) -> Iterator[bytes]:
            from ota_py.errors import CarrierError

            challenge = 'Bearer realm="http://elsewhere/token",service="s"'
            raise CarrierError("answered 401", status=401, challenge=challenge)

    registry = RegistryRepository("registry.example/app", Challenging(), lambda _: ("a", "b"), is_insecure=False)
    with pytest.raises(RegistryError, match="would be told the password without TLS"):
        list(registry.blob("sha256:0", 0))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"credHelpers": {"r.example": "nowhere"}}, "the stored login of r.example cannot be read"),
        ({"auths": {"r.example": {"identitytoken": "x"}}}, "a token that only Docker itself can use"),
    ],
)
def test_a_login_of_another_kind_is_named(stored: Path, config: dict, words: str):
    stored.write_text(json.dumps(config))
    with pytest.raises(RegistryError, match=words):
        login("r.example")


def test_a_missing_image_is_named():
    class Missing:
        def stream(self, *_: object) -> Iterator[bytes]:
            from ota_py.errors import CarrierError

            raise CarrierError("http://r/v2/app/blobs/sha256:0 answered 404", status=404)

    with pytest.raises(NotFoundError, match=r"the registry r\.example does not have what the update names"):
        list(RegistryRepository("r.example/app", Missing(), login, is_insecure=True).blob("sha256:0", 0))
