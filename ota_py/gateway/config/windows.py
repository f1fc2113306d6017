"""Maintenance windows: weekly times on the gateway's own clock, such as "mon-fri 02:00-05:00". Pure.

A window is open exactly while the local clock shows a time within it. So in spring a window that lies in the
skipped hour does not open that day, and in autumn one in the repeated hour opens twice; none ever runs on
past its end on the clock on the wall.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAILY = "daily"
EXPECTED = 'expected days and times, such as "mon-fri 02:00-05:00", "sat,sun 22:00-06:00" or "daily 01:00-04:00"'
# A week has every start; one more covers a start that a clock change skips.
LOOK_AHEAD = timedelta(days=15)

_FORM = re.compile(r"(\S+)\s+([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DAY_MINUTES = 24 * 60
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Window:
    """One weekly maintenance window.

    Attributes:
        days: on which the window begins; 0 is Monday.
        start, end: minutes after midnight; an end that is not after the start is on the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    def is_open(self, local: datetime) -> bool:
        """Whether the window is open when the clock on the wall shows `local`."""
        minute = local.hour * 60 + local.minute
        began_today = local.weekday() in self.days and minute >= self.start
        if self.start < self.end:
            return began_today and minute < self.end
        began_yesterday = (local.weekday() - 1) % 7 in self.days and minute < self.end
        return began_today or began_yesterday


def parse(text: str) -> Window:
    """Read one maintenance window from its text.

    Raises:
        ValueError: the text is no window; the message states what was expected.
    """
    match = _FORM.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a maintenance window: {EXPECTED}")
    start, end = (_minutes(text, match[i], match[i + 1]) for i in (2, 4))
    if start == _DAY_MINUTES:
        raise ValueError(f"{text!r} begins at 24:00: use 00:00 of the next day")
    if start == end:
        raise ValueError(f"{text!r} begins and ends at the same time: for the whole day use 00:00-24:00")
    return Window(_days(text, match[1]), start, end)


def is_open(windows: Iterable[str], now: datetime, zone: tzinfo | None = None) -> bool:
    """Whether one of the maintenance windows is open.

    Args:
        windows: as `parse` reads them; without any, services may be touched at any time.
        now: any time with a zone; `zone`: the gateway's; None is the one of this machine.
    """
    parsed = [parse(text) for text in windows]
    return not parsed or _any_open(parsed, now.astimezone(zone))


def next_start(windows: Sequence[str], now: datetime, zone: tzinfo | None = None) -> datetime | None:
    """The minute at which the next window opens, in the gateway's time; None if one is open or none will.

    Every minute to come is checked: that is right across every clock change, and takes some milliseconds.
    """
    parsed = [parse(text) for text in windows]
    if not parsed or _any_open(parsed, now.astimezone(zone)):
        return None
    moment = now.astimezone(UTC).replace(second=0, microsecond=0)
    until = moment + LOOK_AHEAD
    while moment < until:
        moment += _MINUTE
        local = moment.astimezone(zone)
        if _any_open(parsed, local):
            return local
    return None


def _any_open(windows: Iterable[Window], local: datetime) -> bool:
    return any(window.is_open(local) for window in windows)


def _minutes(text: str, hours: str, minutes: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > _DAY_MINUTES:
        raise ValueError(f"{text!r} has no such time as {hours}:{minutes}: use 00:00 to 24:00")
    return total


def _days(text: str, words: str) -> frozenset[int]:
    if words == DAILY:
        return frozenset(range(7))
    days: set[int] = set()
    for word in words.split(","):
        first, dash, last = word.partition("-")
        names = (first, last) if dash else (first, first)
        if not set(names) <= set(DAYS):
            raise ValueError(f"{text!r} has no such day as {word!r}: {EXPECTED}")
        begin, end = (DAYS.index(name) for name in names)
        # `fri-mon` goes on over the end of the week.
        days |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return frozenset(days)
