"""Maintenance windows: what opens when, on the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ota_py.errors import ConfigError
from ota_py.gateway.config import windows
from tests.support.gateway import gateways

NEW_YORK = ZoneInfo("America/New_York")


def local(text: str, fold: int = 0, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def is_open(window: str, moment: datetime) -> bool:
    return windows.is_open([window], moment.astimezone(UTC), NEW_YORK)


# 2026-03-02 is a Monday.
@pytest.mark.parametrize(
    ("window", "moment", "expected"),
    [
        ("mon-fri 02:00-05:00", "2026-03-02 01:59", False),
        ("mon-fri 02:00-05:00", "2026-03-02 02:00", True),
        ("mon-fri 02:00-05:00", "2026-03-02 04:59", True),
        ("mon-fri 02:00-05:00", "2026-03-02 05:00", False),
        ("mon-fri 02:00-05:00", "2026-03-01 03:00", False),
        ("sat,sun 22:00-06:00", "2026-03-01 23:00", True),
        ("sat,sun 22:00-06:00", "2026-03-02 05:59", True),  # Sunday's night goes on
        ("sat,sun 22:00-06:00", "2026-03-02 06:00", False),
        ("sat,sun 22:00-06:00", "2026-03-02 22:00", False),
        ("sat,sun 22:00-06:00", "2026-02-28 05:00", False),  # Friday has no night
        ("fri-mon 01:00-02:00", "2026-03-02 01:30", True),  # over the end of the week
        ("fri-mon 01:00-02:00", "2026-03-03 01:30", False),
        ("daily 00:00-24:00", "2026-03-04 23:59", True),
        ("DAILY 01:00-04:00", "2026-03-04 03:00", True),
        ("wed 23:00-24:00", "2026-03-04 23:30", True),
        ("wed 23:00-24:00", "2026-03-05 00:00", False),
    ],
)
def test_a_window_is_open_while_the_clock_shows_a_time_within_it(window, moment, expected):
    assert is_open(window, local(moment)) is expected


def test_without_windows_it_is_always_open():
    assert windows.is_open([], datetime.now(UTC))
    assert windows.next_start([], datetime.now(UTC)) is None


def test_one_open_window_of_several_is_enough():
    both = ["mon 02:00-03:00", "tue 02:00-03:00"]
    assert windows.is_open(both, local("2026-03-03 02:30"), NEW_YORK)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-02 12:00", "2026-03-03T02:00:00-05:00"),
        ("2026-03-06 12:00", "2026-03-09T02:00:00-04:00"),  # over the weekend, in which the clocks change
        ("2026-03-02 01:59", "2026-03-02T02:00:00-05:00"),
    ],
)
def test_the_next_start(moment, expected):
    found = windows.next_start(["mon-fri 02:00-05:00"], local(moment), NEW_YORK)
    assert found is not None
    assert found.isoformat() == expected


def test_an_open_window_has_no_next_start():
    assert windows.next_start(["mon-fri 02:00-05:00"], local("2026-03-02 03:00"), NEW_YORK) is None


# In New York the clock goes from 02:00 to 03:00 on 2026-03-08, and from 02:00 back to 01:00 on 2026-11-01.


@pytest.mark.case("F34")
def test_in_spring_a_window_in_the_skipped_hour_opens_on_the_next_day():
    before = local("2026-03-08 01:59")
    assert not is_open("daily 02:00-03:00", local("2026-03-08 03:00"))
    found = windows.next_start(["daily 02:00-03:00"], before, NEW_YORK)
    assert found is not None
    assert found.isoformat() == "2026-03-09T02:00:00-04:00"


@pytest.mark.case("F34")
def test_in_spring_a_window_around_the_skipped_hour_opens_as_soon_as_it_can():
    found = windows.next_start(["daily 02:30-05:00"], local("2026-03-08 01:59"), NEW_YORK)
    assert found is not None
    assert found.isoformat() == "2026-03-08T03:00:00-04:00"
    assert not is_open("daily 02:30-05:00", local("2026-03-08 05:00"))


@pytest.mark.case("F34")
def test_in_autumn_a_window_never_runs_on_past_its_end_on_the_wall():
    assert is_open("daily 01:00-02:00", local("2026-11-01 01:30", fold=0))
    assert is_open("daily 01:00-02:00", local("2026-11-01 01:30", fold=1))
    assert not is_open("daily 01:00-02:00", local("2026-11-01 02:00"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a maintenance window"),
        ("02:00-05:00", "is not a maintenance window"),
        ("mon 2:00-5:00", "is not a maintenance window"),
        ("mon-fri 02:00", "is not a maintenance window"),
        ("mon fri 02:00-05:00", "is not a maintenance window"),
        ("mo 02:00-05:00", "has no such day as 'mo'"),
        ("mon, 02:00-05:00", "has no such day as ''"),
        ("mon-tue-wed 02:00-05:00", "has no such day as 'mon-tue-wed'"),
        ("daily 25:00-26:00", "has no such time as 25:00"),
        ("daily 02:60-05:00", "has no such time as 02:60"),
        ("daily 24:00-05:00", "begins at 24:00"),
        ("daily 02:00-02:00", "begins and ends at the same time"),
    ],
)
def test_nonsense_is_named_when_the_configuration_is_read(tmp_path, text, message):
    path = gateways.write(tmp_path)
    path.write_text(path.read_text() + f'[maintenance]\nwindows = ["daily 01:00-02:00", "{text}"]\n')
    with pytest.raises(ConfigError, match=r"maintenance\.windows") as caught:
        gateways.read(tmp_path)
    assert message in caught.value.message
    assert str(path) in caught.value.message
