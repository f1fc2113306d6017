"""Every failure of the API as `{"error": {"code", "message", "hint"}}` with its status."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from ota_py.errors import ConflictError, NotFoundError, OtaError, UsageError
from ota_py.server.events.quota import QuotaExceededError
from ota_py.strict_json import PROBLEM_MAX_CHARS
from ota_py.text.printable import printable

STATUS = {NotFoundError: 404, ConflictError: 409}
PROBLEMS_SHOWN = 5
TOKEN_HINT = "send a valid token as `Authorization: Bearer TOKEN`"
ROLE_HINT = "use a token that may: the admin lists them, and makes new ones"
REQUEST_HINT = "GET /api/v1/openapi.json says what each request takes"
# Code, message, hint. The log has the trace; the caller learns nothing of the inside.
INTERNAL = ("internal", "the control plane failed; its log says why", "tell who runs the control plane")
logger = logging.getLogger(__name__)


def add_handlers(api: NinjaAPI) -> None:
    """Register the handlers of all failures."""
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        OtaError: _ota_error,
        ValidationError: _validation,
        AuthenticationError: lambda _request, _error: unauthenticated(),
        PermissionDenied: lambda _request, error: forbidden(str(error)),
        RequestDataTooBig: _too_big,
        QuotaExceededError: _too_much,
        HttpError: _http_error,
        OperationalError: lambda _request, error: unavailable(error),
        InterfaceError: lambda _request, error: unavailable(error),
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def answer(status: int, code: str, message: str, hint: str) -> HttpResponse:
    """A response with one error."""
    return JsonResponse({"error": {"code": code, "message": printable(message), "hint": hint}}, status=status)


def _ota_error(request: HttpRequest, error: OtaError) -> HttpResponse:
    status = next((status for cls, status in STATUS.items() if isinstance(error, cls)), 400)
    return answer(status, error.code, error.message, error.hint)


def _validation(request: HttpRequest, error: ValidationError) -> HttpResponse:
    # Locations are ("body", "payload", field...): the first two name our own parameters.
    problems = [
        f"{'.'.join(str(part) for part in item['loc'][2:] or item['loc'])[:PROBLEM_MAX_CHARS]}: "
        f"{item['msg'][:PROBLEM_MAX_CHARS]}"
        for item in error.errors
    ]
    more = f" (and {len(problems) - PROBLEMS_SHOWN} more)" if len(problems) > PROBLEMS_SHOWN else ""
    message = f"the request is not valid: {'; '.join(problems[:PROBLEMS_SHOWN])}{more}"
    return answer(422, UsageError.code, message, REQUEST_HINT)


def unauthenticated() -> HttpResponse:
    """The response 401: no token, or one that is not valid."""
    response = answer(401, "unauthenticated", "the token is missing, unknown, expired or revoked", TOKEN_HINT)
    response["WWW-Authenticate"] = "Bearer"
    return response


def forbidden(message: str) -> HttpResponse:
    """The response 403: a valid token that may not do this."""
    return answer(403, "forbidden", message, ROLE_HINT)


def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return answer(413, "too_big", "the request has more than 1 MiB", "send it in parts")


def _too_much(request: HttpRequest, error: QuotaExceededError) -> HttpResponse:
    response = answer(429, "too_much", str(error), "wait as long as Retry-After says; nothing is lost meanwhile")
    response["Retry-After"] = str(math.ceil(error.seconds))
    return response


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, OtaError):  # of our parser
        return _ota_error(request, error.__cause__)
    return answer(error.status_code, UsageError.code, error.message, REQUEST_HINT)


def unavailable(error: Exception) -> HttpResponse:
    """The response 503: the database cannot be reached, or is too busy."""
    logger.error("database: %s", error)
    response = answer(503, "unavailable", "the control plane's database does not answer", "try again")
    response["Retry-After"] = "5"
    return response


def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("unexpected error in %s %s", request.method, request.path, exc_info=error)
    return answer(500, *INTERNAL)
