"""Authentication and permissions of the API: bearer tokens and their roles."""

from __future__ import annotations

from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja.security import HttpBearer

from ota_py.contract.fleet import TokenRole
from ota_py.server.events.actor import acts
from ota_py.server.events.quota import quota
from ota_py.server.fleet.presence import last_seen
from ota_py.server.tokens.services import find_token


class Caller(NamedTuple):
    """The holder of a valid token."""

    name: str
    role: str
    token: int

    @property
    def label(self) -> str:
        """The caller's name in events, with the token's number, since token names need not be unique."""
        return f"{self.name}#{self.token}"


class Bearer(HttpBearer):
    """Authentication by valid tokens of the given roles; a gateway's token only on that gateway's own paths."""

    def __init__(self, *roles: str) -> None:
        super().__init__()
        self.roles = roles

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """The caller, or None (401) for a token that is not valid; a wrong role raises (403)."""
        found = find_token(token)
        if found is None:
            return None
        last_seen.used(found.pk)
        path = request.resolver_match.kwargs if request.resolver_match else {}
        check_allowed(self.roles, found.role, found.gateway_id, path.get("gateway_id"))
        let_in = Caller(found.name, found.role, found.pk)
        acts(let_in.label)
        return let_in


class Reporter(Bearer):
    """Lets in who brings reports, a gateway within its quota: before its body is parsed, which costs most."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """The caller; raises `QuotaExceededError` (429) for a gateway that reports too much."""
        found = super().authenticate(request, token)
        if found is not None and found.role == TokenRole.GATEWAY:
            gateway = str(request.resolver_match.kwargs["gateway_id"]) if request.resolver_match else ""
            quota.take(gateway, requests=1, bytes=len(request.body))
        return found


def check_allowed(roles: tuple[str, ...], role: str, gateway: str | None, path_gateway: str | None) -> None:
    """Check a token's role, and for a gateway's token that the path is its own.

    Raises:
        PermissionDenied: it is not.
    """
    if role not in roles:
        raise PermissionDenied(f"a token of role {role} may not do this; it needs {' or '.join(roles)}")
    if role == TokenRole.GATEWAY and path_gateway != gateway:
        raise PermissionDenied(f"this token belongs to gateway {gateway}, and the path to another one")


def caller(request: HttpRequest) -> Caller:
    """The caller that `Bearer` let in."""
    found = getattr(request, "auth", None)
    if not isinstance(found, Caller):
        raise PermissionDenied("this needs a token")
    return found


OPERATOR = Bearer(TokenRole.OPERATOR)
READER = Bearer(TokenRole.OPERATOR, TokenRole.READER)
REPORTER = Reporter(TokenRole.GATEWAY, TokenRole.OPERATOR)
