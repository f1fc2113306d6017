"""Who acts: the token or user of the request under way, for the record."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

from django.core.signals import request_finished, request_started
from django.dispatch import receiver

ACTOR_MAX_CHARS = 180
logger = logging.getLogger("ota.acts")
_actor: ContextVar[str] = ContextVar("actor", default="")


def actor() -> str:
    """`NAME#NUMBER` of a token, `user NAME` of the admin, or an empty string for the control plane itself."""
    return _actor.get()[:ACTOR_MAX_CHARS]


def acts(who: str) -> None:
    """Say who acts until the request ends."""
    _actor.set(who)


def log_act(what: str) -> None:
    """Log an act of a token or user that no event records."""
    if who := actor():
        logger.info("%s by %s", what, who)


@receiver([request_started, request_finished])
def _nobody(**_: Any) -> None:
    _actor.set("")
