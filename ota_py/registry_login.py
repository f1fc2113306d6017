"""The logins that `docker login` stored, in its file or by a credential helper."""

from __future__ import annotations

from ota_py.errors import RegistryError


def login(registry: str) -> tuple[str, str] | None:
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
