"""Creation, revocation and recognition of tokens; the admin's first user."""

from __future__ import annotations

import secrets

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone

from ota_py.errors import UsageError
from ota_py.hashes import sha256_of
from ota_py.server.fleet.models import Gateway
from ota_py.server.tokens.models import ApiToken, Role

TOKEN_BYTES = 32
# Lets secret scanners recognise a leaked one.
TOKEN_PREFIX = "ota_"


def digest(token: str) -> str:
    """The hash of a token, which alone is kept: its SHA-256 in hex."""
    return sha256_of(token.encode())


def create_token(name: str, role: str, gateway: Gateway | None = None) -> str:
    """Create a token and return it; only its hash is kept.

    Raises:
        UsageError: the role is unknown, or does not fit the gateway.
    """
    if role not in Role.values:
        raise UsageError(f"role {role!r} is unknown", hint=f"use one of {', '.join(Role.values)}")
    if (role == Role.GATEWAY) != (gateway is not None):
        raise UsageError("a gateway's token, and no other, names its gateway")
    token, hashed = new_secret()
    ApiToken.objects.create(name=name, role=role, gateway=gateway, digest=hashed)
    return token


def new_secret() -> tuple[str, str]:
    """A new token and its hash."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    return token, digest(token)


def revoke_tokens(gateway: Gateway) -> int:
    """Revoke all tokens of the gateway; return how many were valid."""
    return gateway.tokens.filter(revoked_at=None).update(revoked_at=timezone.now())


def find_token(token: str) -> ApiToken | None:
    """The record of a valid token, or None."""
    return ApiToken.objects.filter(digest=digest(token), revoked_at=None).first()


def ensure_superuser(username: str, password: str) -> bool:
    """Create a superuser unless a user of that name exists; return whether it was created.

    Raises:
        UsageError: the password is too weak.
    """
    users = get_user_model().objects
    if users.filter(username=username).exists():
        return False
    try:
        validate_password(password)
    except ValidationError as error:
        raise UsageError(f"the admin's password is too weak: {' '.join(error.messages)}") from None
    users.create_superuser(username=username, password=password)
    return True
