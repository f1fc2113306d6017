"""Errors below the API's prefix that come from Django itself, turned into the API's one form."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ota_py.errors import NotFoundError, UsageError
from ota_py.server.api.errors import INTERNAL, answer
from ota_py.server.middleware import API_PREFIX

PATH_SHOWN_CHARS = 200
DOCUMENT_HINT = "GET /api/v1/openapi.json describes every path"


def outside_errors(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """The first middleware: gives Django's own errors, such as unknown paths and methods, the API's form."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path_info.startswith(API_PREFIX):
            # Some answers carry a token, and none is worth keeping.
            response["Cache-Control"] = "no-store"
        if response.status_code < 400 or not request.path_info.startswith(API_PREFIX):
            return response
        if response.get("Content-Type") == "application/json":
            return response
        made = _in_form(request, response)
        made["Cache-Control"] = "no-store"
        return made

    return respond


def _in_form(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    path, status = request.path_info[:PATH_SHOWN_CHARS], response.status_code
    if status == 404:
        return answer(404, NotFoundError.code, f"there is no path {path} in the API", DOCUMENT_HINT)
    if status == 405:
        allowed = ", ".join(sorted(response.get("Allow", "").split(", ")))
        made = answer(405, UsageError.code, f"{request.method} is not allowed for {path}", f"use {allowed}")
        made["Allow"] = allowed
        return made
    if status >= 500:
        return answer(status, *INTERNAL)
    return answer(status, UsageError.code, f"the request to {path} is not valid", DOCUMENT_HINT)
