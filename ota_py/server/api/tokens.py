"""`/tokens`: who may call the API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from ota_py.server.api import render
from ota_py.server.api.auth import OPERATOR, READER
from ota_py.server.api.schemas import ApiTokenCreated, ApiTokenIn, ApiTokenList, ApiTokenOut, ApiTokenRevocation
from ota_py.server.fleet.services import get_gateway
from ota_py.server.tokens import services
from ota_py.server.tokens.models import ApiToken

router = Router(tags=["tokens"])


@router.get("", auth=READER, response=ApiTokenList)
def list_tokens(request: HttpRequest, gateway: str | None = None) -> Any:
    """All tokens, the newest first, or those of one gateway: never the secrets, which are not kept."""
    found = ApiToken.objects.all() if gateway is None else ApiToken.objects.filter(gateway=gateway)
    return {"tokens": [render.token(one) for one in found]}


@router.post("", auth=OPERATOR, response={201: ApiTokenCreated})
def add_token(request: HttpRequest, payload: ApiTokenIn) -> Any:
    """Make a token. It is shown once, here."""
    gateway = get_gateway(payload.gateway) if payload.gateway else None
    made, secret = services.make_token(payload.name, payload.role, gateway, payload.expires_at)
    return Status(201, {**render.token(made), "token": secret})


@router.post("/revoke", auth=OPERATOR, response=ApiTokenOut)
def revoke_token(request: HttpRequest, payload: ApiTokenRevocation) -> Any:
    """Revoke a token, at once and for good."""
    return render.token(services.revoke_token(payload.id))
