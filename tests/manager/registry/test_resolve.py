"""Resolving images: a real registry, one that wants a login, and answers that are rare."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ota_py.errors import NotFoundError, RegistryError
from ota_py.manager.registry.resolve import TagResolver
from tests.support.http_servers import Answer, scripted
from tests.support.manager.oci_images import digest, push_image
from tests.support.manager.resolving import CONFIG, MANIFEST, log_in, resolve
from tests.support.registries import running_registry

# htpasswd of operator:secret
PASSWORDS = "operator:$2b$04$vgmcZVvw6FJUuJ7/MejUoO6.Iugcvv8Hby0cIyfkK7GtOu0J.3N3a\n"


@pytest.fixture
def closed_registry(tmp_path: Path) -> Iterator[str]:
    """A registry that wants a user name and a password."""
    (tmp_path / "htpasswd").write_text(PASSWORDS)
    auth = {"htpasswd": {"realm": "fleet", "path": str(tmp_path / "htpasswd")}}
    with running_registry(tmp_path, auth=auth) as address:
        yield address


@pytest.mark.parametrize("login", ["operator:wrong", None])
def test_login_that_is_wrong_or_missing(
    closed_registry: str, tmp_path: Path, login: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if login:
        log_in(tmp_path, closed_registry, login, monkeypatch)
    with pytest.raises(RegistryError, match=f"the registry {closed_registry} denied access to") as error:
        resolve(closed_registry)
    assert f"docker login {closed_registry}" in error.value.hint


def test_login_of_docker(closed_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(requests.HTTPError):  # the registry is closed indeed
        push_image(closed_registry, "a/b", "1")
    log_in(tmp_path, closed_registry, "operator:secret", monkeypatch)
    with pytest.raises(NotFoundError, match="does not have the image"):
        resolve(closed_registry)


def test_token_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path.startswith("/token"):
            assert headers["authorization"] == "Basic " + base64.b64encode(b"operator:secret").decode()
            assert "service=fleet" in path
            assert "scope=repository%3Aa%2Fb%3Apull" in path
            return 200, {}, b'{"token": "t1"}'
        if headers.get("authorization") != "Bearer t1":
            challenge = f'Bearer realm="http://{headers["host"]}/token",service="fleet"'
            return 401, {"WWW-Authenticate": challenge}, b""
        return 200, {}, CONFIG if "/blobs/" in path else MANIFEST

    with scripted(answer) as registry:
        log_in(tmp_path, registry, "operator:secret", monkeypatch)
        image = resolve(registry)
    assert image.digest == digest(MANIFEST)
    assert image.size == len(CONFIG) + 7


def test_too_many_requests() -> None:
    with scripted(lambda path, headers: (429, {"Retry-After": "30"}, b"")) as registry:
        with pytest.raises(RegistryError, match=r"has had too many requests \(429\)") as error:
            resolve(registry)
        assert "run the command again in 30 seconds" in error.value.hint


def test_bytes_that_are_not_what_the_digest_says() -> None:
    with (
        scripted(lambda path, headers: (200, {}, MANIFEST)) as registry,
        pytest.raises(RegistryError, match=f"sent {digest(MANIFEST)} of .*, expected sha256:0000"),
    ):
        resolve(registry, "a/b@sha256:" + "0" * 64)


def test_digest_header_that_does_not_match() -> None:
    with (
        scripted(lambda path, headers: (200, {"Docker-Content-Digest": "sha256:" + "1" * 64}, MANIFEST)) as r,
        pytest.raises(RegistryError, match="expected sha256:1111"),
    ):
        resolve(r)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "makes no sense"),
        (b"[]", "makes no sense"),
        (b'{"schemaVersion": 2, "config": 1, "layers": []}', "makes no sense"),
        (b'{"schemaVersion": 1}', "of the old schema version 1"),
    ],
)
def test_answers_that_make_no_sense(body: bytes, message: str) -> None:
    with (
        scripted(lambda path, headers: (200, {}, body)) as registry,
        pytest.raises(RegistryError, match=message),
    ):
        resolve(registry)


def test_server_error() -> None:
    with (
        scripted(lambda path, headers: (503, {}, b"")) as registry,
        pytest.raises(RegistryError, match=f"the registry {registry} answered 503 about {registry}/a/b:1"),
    ):
        resolve(registry)


def test_plain_http_must_be_allowed(registry: str) -> None:
    client = TagResolver(registry)
    with pytest.raises(RegistryError, match="has no valid TLS certificate") as error:
        client.resolve(client.parse("healthguard/mqtt-bridge:1.2.0"))
    assert f'add "{registry}" to registry.insecure' in error.value.hint


def test_image_by_digest(registry: str) -> None:
    wanted = push_image(registry, "healthguard/pinned", "1")
    image = resolve(registry, f"healthguard/pinned:1@{wanted}")
    assert (image.digest, image.reference.name) == (wanted, f"{registry}/healthguard/pinned:1")
