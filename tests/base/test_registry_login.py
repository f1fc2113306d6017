"""What is answered to a registry's challenge: the stored password, or a token for which it is exchanged."""

from __future__ import annotations

import pytest

from ota_py import registry_login
from ota_py.registry_login import DeniedError, Login, authorization

STORED = ("shop", "secret")
BASIC = "Basic c2hvcDpzZWNyZXQ="
BEARER = 'Bearer realm="https://auth.example/token",service="r"'
SCOPE = "scope=repository%3Ashop%2Fapp%3Apull"


class TokenService:
    def __init__(self, answer: bytes) -> None:
        self.answer, self.asked = answer, list[tuple[str, Login | None]]()

    def fetch(self, url: str, login: Login | None) -> bytes:
        self.asked.append((url, login))
        return self.answer


def answered(challenge: str, stored: Login | None, answer: bytes = b'{"token": "t"}') -> tuple[str, TokenService]:
    service = TokenService(answer)
    return authorization(challenge, "shop/app", stored, "https", service.fetch), service


def test_a_password_is_given_where_it_is_asked_for() -> None:
    header, service = answered('Basic realm="r"', STORED)
    assert header == BASIC == registry_login.basic(STORED)
    assert not service.asked


@pytest.mark.parametrize("stored", [STORED, None])
@pytest.mark.parametrize("answer", [b'{"token": "t"}', b'{"access_token": "t"}', b'{"token": "", "access_token": "t"}'])
def test_a_token_is_fetched_for_this_repository(stored: Login | None, answer: bytes) -> None:
    header, service = answered(BEARER, stored, answer)
    assert header == "Bearer t"
    assert service.asked == [(f"https://auth.example/token?service=r&{SCOPE}", stored)]


def test_a_token_service_may_have_a_query_of_its_own() -> None:
    _, service = answered('Bearer realm="https://auth.example/token?a=b"', None)
    assert service.asked == [(f"https://auth.example/token?a=b&service=&{SCOPE}", None)]


@pytest.mark.parametrize(
    ("challenge", "stored", "answer", "words"),
    [
        ('Basic realm="r"', None, b"", "it asks for a user name and a password"),
        ("Negotiate", STORED, b"", "it asks for a user name and a password"),
        ("", STORED, b"", "it asks for a user name and a password"),
        ("Bearer", STORED, b"", "it names no token service"),
        ("Bearer realm", None, b"", "it names no token service"),
        ("Bearer realm=", None, b"", "it names no token service"),
        ('Bearer service="s"', None, b"", "it names no token service"),
        (BEARER.replace("https", "http"), STORED, b"", "would be told the password without TLS"),
        (BEARER, None, b"no JSON", "its token service makes no sense: JSONDecodeError"),
        (BEARER, None, b"[]", "its token service makes no sense: AttributeError"),
        (BEARER, None, b"{}", "its token service makes no sense: KeyError"),
    ],
)
def test_there_is_no_way_in(challenge: str, stored: Login | None, answer: bytes, words: str) -> None:
    with pytest.raises(DeniedError, match=words):
        answered(challenge, stored, answer)


def test_an_insecure_registry_may_have_an_insecure_token_service() -> None:
    service = TokenService(b'{"token": "t"}')
    authorization(BEARER.replace("https", "http"), "shop/app", STORED, "http", service.fetch)
    assert service.asked[0][1] == STORED


def test_docker_hub_has_a_host_for_its_api() -> None:
    assert registry_login.api_host("docker.io") == "registry-1.docker.io"
    assert registry_login.api_host("r.example:5000") == "r.example:5000"
