"""The control plane's addresses and one empty view beside them, for the same server and middleware."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from ota_py.server.urls import urlpatterns as project


def empty(_request: HttpRequest) -> HttpResponse:
    """An empty view, the least that Django can answer."""
    return HttpResponse(status=204)


urlpatterns = [path("empty", empty), *project]
