"""The proxy in front: whose word about the client's address and scheme is believed, and whose is not."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
FORWARDED_FOR = "HTTP_X_FORWARDED_FOR"
FORWARDED_PROTO = "HTTP_X_FORWARDED_PROTO"
# The sender's own addresses in IPv6 are usually a whole network of this length.
IPV6_PREFIX = 64


def forwarded(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: REMOTE_ADDR is the client's as far as trusted proxies say it; others' headers are dropped."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        given = request.META.pop(FORWARDED_FOR, "")
        if not _is_proxy(_address(request.META.get("REMOTE_ADDR", ""))):
            request.META.pop(FORWARDED_PROTO, None)
        elif given:
            request.META["REMOTE_ADDR"] = _client(given) or request.META["REMOTE_ADDR"]
        return get_response(request)

    return respond


def network(address: str) -> str:
    """What counts as one sender: the address, of IPv6 its network."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
    return address if found is None else str(found)


def _client(given: str) -> str | None:
    """The last address that no trusted proxy has: what stands before it, the client wrote."""
    for word in reversed(given.split(",")):
        found = _address(word.strip())
        if found is None:
            return None
        if not _is_proxy(found):
            return str(found)
    return None


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped) or found


def _is_proxy(address: Address | None) -> bool:
    return address is not None and any(address in trusted for trusted in settings.TRUSTED_PROXIES)
