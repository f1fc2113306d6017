"""The poll, `GET /gateways/{id}/assignment`, a plain Django view: every gateway sends it every minute.

Ninja's handling of one operation costs more than the poll's query. This view answers as its operations do,
and `DOCUMENT` is its part of the API's document.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from ota_py.contract.fleet import TokenRole
from ota_py.server.api.auth import check_allowed
from ota_py.server.api.errors import forbidden, unauthenticated, unavailable
from ota_py.server.fleet.presence import last_seen
from ota_py.server.rollouts.poll import look_up

PATH = "gateways/{gateway_id}/assignment"
DOCUMENT: dict[str, Any] = {
    "operationId": "assignment",
    "summary": "Assignment",
    "description": "What this gateway should look for now; 204 for nothing. It carries no authority.",
    "tags": ["gateways"],
    "parameters": [{"in": "path", "name": "gateway_id", "required": True, "schema": {"type": "string"}}],
    "responses": {
        200: {
            "description": "OK",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AssignmentOut"}}},
        },
        204: {"description": "Nothing to do"},
    },
    "security": [{"Bearer": []}],
}


@csrf_exempt
def assignment(request: HttpRequest, gateway_id: str) -> HttpResponse:
    """The assignment of a gateway: the update that it should install now."""
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    try:
        poll = look_up(token) if scheme.lower() == "bearer" else None
    except (OperationalError, InterfaceError) as error:
        return unavailable(error)
    if poll is None:
        return unauthenticated()
    try:
        check_allowed((TokenRole.GATEWAY,), poll.role, poll.gateway, gateway_id)
    except PermissionDenied as error:
        return forbidden(str(error))
    last_seen.touch(gateway_id)
    last_seen.used(poll.token)
    if poll.version is None:
        return HttpResponse(status=204)
    return JsonResponse({"version": poll.version, "rollout": poll.rollout, "critical": bool(poll.critical)})
