"""Sign-ins to the admin: slowed down, each failure logged, and nobody can lock anybody else out.

A sign-in waits for its turn: first among those from its address, then among those for its account. Turns come
at a fixed pace after a few at once, and a right password counts whenever its turn comes. A browser that was
signed in before carries a cookie that says for whom: its turns are its own, so strangers who guess make its
owner wait for nothing.

Counted by each worker for itself, in memory. While it waits, a sign-in takes no thread: see rsgi.py.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core import signing
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, parse_cookie

from ota_py.hashes import sha256_of
from ota_py.server.http.proxy import network
from ota_py.text.printable import printable

LOGIN_PATH = "/admin/login/"
# Longer waits are refused: try again.
WAIT_MAX_SECONDS = 20.0
KEYS_MAX = 20_000
NAME_SHOWN_CHARS = 150
DEVICE_COOKIE = "ota_device"
DEVICE_SECONDS = 180 * 86400
DEVICE_SALT = "ota.signin.device"
# Between the server and this module, in the request's environment.
WAIT_SECONDS = "ota.wait_seconds"
TURNS = "ota.turns"
logger = logging.getLogger("ota.signin")


@dataclass(frozen=True)
class Pace:
    """So many turns at once, then one every so many seconds."""

    at_once: int
    seconds: float


ADDRESS = Pace(5, 4.0)
ACCOUNT = Pace(5, 2.0)
DEVICE = Pace(10, 4.0)


class Turns:
    """Whose turn is when.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str, pace: Pace) -> float | None:
        """Take the next turn: seconds until then, or None where it would be too long; then none is taken."""
        now = self._clock()
        with self._lock:
            until = max(now, self._taken_until.get(key, now)) + pace.seconds
            wait = until - pace.seconds * pace.at_once - now
            if wait > WAIT_MAX_SECONDS:
                return None
            if len(self._taken_until) >= KEYS_MAX:
                self._forget(now)
            self._taken_until[key] = until
        return max(0.0, wait)

    def give_back(self, key: str, pace: Pace) -> None:
        """Count one turn less: it was the right password."""
        with self._lock:
            if key in self._taken_until:
                self._taken_until[key] -= pace.seconds

    def _forget(self, now: float) -> None:
        """Drop what is over; and where that is not enough, what is over first."""
        left = sorted((until, key) for key, until in self._taken_until.items() if until > now)
        self._taken_until = {key: until for until, key in left[-KEYS_MAX // 2 :]}


turns = Turns()


def wait_for_turn(request: HttpRequest) -> HttpResponse | None:
    """None when it is this sign-in's turn; else the answer.

    The server is asked by `WAIT_SECONDS` in the environment to wait so long and then to call again; one that
    does not know that gives the answer.
    """
    taken: dict[str, Pace] = request.META.setdefault(TURNS, {})
    for key, pace in _stages(request):
        if key in taken:
            continue
        seconds = turns.take(key, pace)
        if seconds is None:
            logger.warning("sign-in refused, too many are waiting: %s", _who(request))
            return _later(WAIT_MAX_SECONDS)
        taken[key] = pace
        if seconds:
            request.META[WAIT_SECONDS] = seconds
            return _later(seconds)
    return None


def is_known(cookies: str) -> bool:
    """Whether a Cookie header is that of a browser that was signed in before."""
    return _owner(parse_cookie(cookies).get(DEVICE_COOKIE, "")) is not None


def remember_device(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Give the browser of a user who has just signed in its cookie."""
    if request.user.is_authenticated:
        response.set_cookie(
            DEVICE_COOKIE,
            signing.dumps(request.user.get_username(), salt=DEVICE_SALT),
            max_age=DEVICE_SECONDS,
            path=LOGIN_PATH,
            secure=request.is_secure(),
            httponly=True,
            samesite="Strict",
        )
    return response


def _stages(request: HttpRequest) -> list[tuple[str, Pace]]:
    name = request.POST.get("username", "")
    cookie = request.COOKIES.get(DEVICE_COOKIE, "")
    if cookie and _owner(cookie) == name:
        return [(f"device {_short(cookie)}", DEVICE)]
    address = network(request.META.get("REMOTE_ADDR", ""))
    return [(f"address {address}", ADDRESS), (f"account {_short(name)}", ACCOUNT)]


def _owner(cookie: str) -> str | None:
    try:
        owner: str = signing.loads(cookie, salt=DEVICE_SALT, max_age=DEVICE_SECONDS)
    except signing.BadSignature:
        return None
    return owner


def _short(text: str) -> str:
    return sha256_of(text.encode(errors="replace"))[:32]


def _later(seconds: float) -> HttpResponse:
    text = "Too many sign-ins. Wait a little, and try again.\n"
    return HttpResponse(text, status=429, content_type="text/plain", headers={"Retry-After": str(math.ceil(seconds))})


def _who(request: HttpRequest | None, username: str | None = None) -> str:
    given = username if username is not None or request is None else request.POST.get("username", "")
    address = request.META.get("REMOTE_ADDR", "?") if request is not None else "?"
    return f"user '{printable(str(given))[:NAME_SHOWN_CHARS]}' from {printable(address)}"


@receiver(user_login_failed)
def _failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    logger.warning("sign-in failed: %s", _who(request, str(credentials.get("username", ""))))


@receiver(user_logged_in)
def _succeeded(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    logger.info("signed in: %s", _who(request, user.get_username()))
    for key, pace in request.META.get(TURNS, {}).items():
        turns.give_back(key, pace)
