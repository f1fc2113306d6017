"""Creation, revocation and recognition of tokens; the admin's first user."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from ota_py.contract.fleet import TokenRole
from ota_py.errors import NotFoundError, UsageError
from ota_py.hashes import sha256_of
from ota_py.server.events.actor import actor, log_act
from ota_py.server.fleet.models import Gateway
from ota_py.server.tokens.models import ApiToken

TOKEN_BYTES = 32
# Lets secret scanners recognise a leaked one.
TOKEN_PREFIX = "ota_"


def digest(token: str) -> str:
    """The hash of a token, which alone is kept: its SHA-256 in hex."""
    return sha256_of(token.encode())


def create_token(name: str, role: str, gateway: Gateway | None = None) -> str:
    """Create a token without an expiry and return it; only its hash is kept.

    Raises:
        UsageError: the role is unknown, or does not fit the gateway.
    """
    return make_token(name, role, gateway)[1]


def make_token(
    name: str, role: str, gateway: Gateway | None = None, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Create a token; its record, and the token itself, of which only the hash is kept.

    Raises:
        UsageError: the role is unknown, or does not fit the gateway; or it would have expired already.
    """
    if role not in [*TokenRole]:
        raise UsageError(f"role {role!r} is unknown", hint=f"use one of {', '.join(TokenRole)}")
    if (role == TokenRole.GATEWAY) != (gateway is not None):
        raise UsageError("a gateway's token, and no other, names its gateway")
    if expires_at is not None and expires_at <= timezone.now():
        raise UsageError(f"a token that expires at {expires_at.isoformat()} has expired already")
    token, hashed = new_secret()
    made = ApiToken.objects.create(
        name=name, role=role, gateway=gateway, digest=hashed, expires_at=expires_at, created_by=actor()
    )
    log_act(f"token {made.label} made")
    return made, token


def get_token(number: int) -> ApiToken:
    """The token's record.

    Raises:
        NotFoundError: there is none of this number.
    """
    try:
        return ApiToken.objects.get(pk=number)
    except ApiToken.DoesNotExist:
        raise NotFoundError(f"there is no token {number}", hint="ota_manager.py tokens list shows them") from None


def revoke_token(number: int) -> ApiToken:
    """Revoke a token; one that is revoked already stays so."""
    token = get_token(number)
    revoke_tokens(ApiToken.objects.filter(pk=number))
    token.refresh_from_db()
    return token


def revoke_tokens(tokens: QuerySet[ApiToken]) -> int:
    """Revoke those of the tokens that are not; return how many."""
    with transaction.atomic():
        found = list(tokens.filter(revoked_at=None).select_for_update(no_key=True, of=("self",)))
        ids = [token.pk for token in found]
        ApiToken.objects.filter(pk__in=ids).update(revoked_at=timezone.now(), revoked_by=actor())
    for token in found:
        log_act(f"token {token.label} revoked")
    return len(found)


def new_secret() -> tuple[str, str]:
    """A new token and its hash."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    return token, digest(token)


def find_token(token: str) -> ApiToken | None:
    """The record of a valid token, or None."""
    lasting = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ApiToken.objects.filter(lasting, digest=digest(token), revoked_at=None).first()


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
