"""A repository's freshness in words and as JSON, the same for `renew` and for `keys list`. Pure."""

from __future__ import annotations

from typing import Any

from ota_py.trust.repository.freshness import Freshness


def state_words(each: Freshness) -> str:
    """The freshness of one role in words: state, end and days left."""
    days = "1 day" if each.days_left == 1 else f"{each.days_left} days"
    return f"{each.state}, until {each.expires:%Y-%m-%d %H:%M} UTC, {days} left"


def freshness_json(each: Freshness) -> dict[str, Any]:
    """The freshness of one role as JSON, for programs."""
    return {**vars(each), "expires": each.expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
