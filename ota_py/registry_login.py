"""Logins at image registries: what `docker login` stored, and what a registry asks for in exchange.

Specification: https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import urlencode
from urllib.request import parse_http_list, parse_keqv_list

from ota_py.errors import RegistryError

DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"

# A user name and a password.
Login = tuple[str, str]
# Gets a URL with a login, or without one; raises `DeniedError` where that is refused.
Fetch = Callable[[str, Login | None], bytes]


class DeniedError(Exception):
    """Why there is no way in, to be put behind the registry's name. The caller knows whom it asks to log in."""


def api_host(registry: str) -> str:
    """The host that serves a registry's API."""
    return _DOCKER_HUB_API if registry == DOCKER_HUB else registry


def basic(login: Login) -> str:
    """A login as the header `Authorization` has it."""
    return "Basic " + b64encode(":".join(login).encode()).decode()


def authorization(challenge: str, path: str, stored: Login | None, scheme: str, fetch: Fetch) -> str:
    """The header `Authorization` that a registry asks for, to pull from one of its repositories.

    Args:
        challenge: the header `WWW-Authenticate` of its answer 401.
        path: of the repository, without the registry.
        stored: the registry's login, or None.
        scheme: by which the registry is spoken to; `http` is good enough for its token service then, too.
        fetch: see `Fetch`.

    Raises:
        DeniedError: it wants a login that is not stored, or its token service gives no token.
    """
    kind, _, parameters = challenge.partition(" ")
    if kind.lower() == "basic" and stored:
        return basic(stored)
    if kind.lower() != "bearer":
        raise DeniedError("it asks for a user name and a password")
    try:
        given = parse_keqv_list(parse_http_list(parameters))
        realm = given["realm"]
    except (ValueError, IndexError, KeyError):
        raise DeniedError("it names no token service") from None
    if stored and not realm.startswith(("https:", f"{scheme}:")):
        raise DeniedError("its token service would be told the password without TLS")
    query = urlencode({"service": given.get("service", ""), "scope": f"repository:{path}:pull"})
    raw = fetch(f"{realm}{'&' if '?' in realm else '?'}{query}", stored)
    try:
        answer = json.loads(raw)
        return f"Bearer {answer.get('token') or answer['access_token']}"
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise DeniedError(f"its token service makes no sense: {type(error).__name__}") from None


def login(registry: str) -> Login | None:
    """The user name and password stored for a registry (`host` or `host:port`), or None.

    Raises:
        RegistryError: there is a login, but not one of this kind, or it cannot be read.
    """
    from docker import auth
    from docker.errors import DockerException

    try:
        found = auth.load_config().resolve_authconfig(registry) or {}
    except DockerException as error:
        raise RegistryError(
            f"the stored login of {registry} cannot be read: {error}",
            hint=f"run `docker logout {registry}` and `docker login {registry}` on this machine",
        ) from None
    # A credential helper's answer has the names in capitals.
    for user, password in (("username", "password"), ("Username", "Password")):
        if found.get(user):
            return found[user], found[password]
    if found:
        raise RegistryError(
            f"the stored login of {registry} is a token that only Docker itself can use",
            hint="log in with a user name and a password or access token",
        )
    return None
