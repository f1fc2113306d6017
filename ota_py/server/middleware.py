"""Django's middleware for pages, which requests to the API pass by.

The API knows its caller by a bearer token, so sessions and CSRF do not concern it, and their cost would be
paid by every poll of every gateway. Everything else, whatever is added later, is covered by default.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.deprecation import MiddlewareMixin

from ota_py.server.events.actor import acts
from ota_py.text.printable import printable

API_PREFIX = "/api/"


class _PagesOnly(MiddlewareMixin):
    """Mixin that hands requests to the API straight on."""

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(API_PREFIX):
            return self.get_response(request)
        return super().__call__(request)


class Security(_PagesOnly, SecurityMiddleware):
    """Security headers of pages."""


class AdminSession(_PagesOnly, SessionMiddleware):
    """Sessions of the admin."""


class Common(_PagesOnly, CommonMiddleware):
    """Host check and trailing slashes of pages."""


class Csrf(_PagesOnly, CsrfViewMiddleware):
    """CSRF protection of the admin's forms."""

    def process_view(self, request: HttpRequest, *args: Any) -> Any:
        """Check the token of a page's form; views of the API read no cookie."""
        if request.path_info.startswith(API_PREFIX):
            return None
        return super().process_view(request, *args)


class Authentication(_PagesOnly, AuthenticationMiddleware):
    """The signed-in user of a page, whose acts are recorded with the name."""

    def process_view(self, request: HttpRequest, *args: Any) -> None:
        """Name who acts; a page that is only read costs no query."""
        if request.method == "POST" and not request.path_info.startswith(API_PREFIX) and request.user.is_authenticated:
            acts(f"user {request.user.get_username()}")


class Messages(_PagesOnly, MessageMiddleware):
    """One-time messages after a form."""


class Printable(_PagesOnly):
    """No character in a page that is not seen: whatever was recorded, and wherever a page shows it."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Replace them in text; files are as they are."""
        if isinstance(response, HttpResponse) and response.get("Content-Type", "").startswith("text/"):
            response.content = printable(response.content.decode(response.charset), lines=True).encode()
        return response


class FrameOptions(_PagesOnly, XFrameOptionsMiddleware):
    """Protection from showing a page in another site's frame."""
