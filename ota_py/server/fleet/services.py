"""Registration of gateways, and changes to them."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from ota_py.contract.fleet import TokenRole
from ota_py.errors import ConflictError, NotFoundError
from ota_py.server.events.actor import log_act
from ota_py.server.fleet.models import Gateway
from ota_py.server.tokens.services import create_token, revoke_tokens


def register_gateway(**values: Any) -> tuple[Gateway, str]:
    """Create the gateway and its token; return both. The token is not kept and cannot be shown again.

    Raises:
        ConflictError: a gateway of this id exists.
    """
    try:
        with transaction.atomic():
            gateway = Gateway.objects.create(**values)
            log_act(f"gateway {gateway.id} registered")
            return gateway, create_token(name=gateway.id, role=TokenRole.GATEWAY, gateway=gateway)
    except IntegrityError:
        raise ConflictError(
            f"gateway {values['id']} is registered already",
            hint="change it with PATCH, or give it a new token with POST .../token",
        ) from None


def get_gateway(gateway_id: str) -> Gateway:
    """The registered gateway of an id.

    Raises:
        NotFoundError: no gateway of this id is registered.
    """
    try:
        return Gateway.objects.get(pk=gateway_id)
    except Gateway.DoesNotExist:
        raise NotFoundError(
            f"gateway {gateway_id[:80]} is not registered",
            hint="ota_manager.py gateways lists those that are",
        ) from None


def change_gateway(gateway_id: str, changes: dict[str, Any]) -> Gateway:
    """Set the given fields of the gateway."""
    gateway = get_gateway(gateway_id)
    for name, value in changes.items():
        setattr(gateway, name, value)
    if changes:
        gateway.save(update_fields=list(changes))
        log_act(f"gateway {gateway.id} changed: {', '.join(sorted(changes))}")
    return gateway


def rotate_token(gateway_id: str) -> str:
    """Revoke the gateway's tokens and return a new one."""
    gateway = get_gateway(gateway_id)
    with transaction.atomic():
        revoke_tokens(gateway.tokens.all())
        return create_token(name=gateway.id, role=TokenRole.GATEWAY, gateway=gateway)
