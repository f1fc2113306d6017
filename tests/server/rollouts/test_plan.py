"""Plan arithmetic, against ansible-core's own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.executor.playbook_executor import PlaybookExecutor
from hypothesis import given
from hypothesis import strategies as st

from ota_py.errors import UsageError
from ota_py.server.rollouts.plan import allowed_failures, batch_sizes, check_serial

SERIAL = st.lists(st.integers(1, 300) | st.integers(1, 100).map(lambda percent: f"{percent}%"), min_size=1, max_size=6)


def ansibles(total: int, serial: list[int | str]) -> list[int]:
    """The batches that Ansible's own code makes of the hosts."""
    executor = PlaybookExecutor.__new__(PlaybookExecutor)
    executor._inventory = SimpleNamespace(get_hosts=lambda *_args, **_options: list(range(total)))
    play = SimpleNamespace(hosts="all", order=None, serial=serial)
    return [len(batch) for batch in executor._get_serialized_batches(play)]


@given(st.integers(1, 400), SERIAL)
def test_batches_are_ansibles(total: int, serial: list[int | str]) -> None:
    assert batch_sizes(total, serial) == ansibles(total, serial)


def test_every_percentage_rounds_like_ansible() -> None:
    for total in (3, 7, 50, 100, 1000):
        for percent in range(1, 101):
            assert batch_sizes(total, [f"{percent}%"]) == ansibles(total, [f"{percent}%"])


@pytest.mark.parametrize(
    ("total", "serial", "sizes"),
    [
        (3, ["50%"], [1, 1, 1]),
        (4, ["50%"], [2, 2]),
        (10, ["10%", "50%", "100%"], [1, 5, 4]),
        (8, [1, "25%", "100%"], [1, 2, 5]),
        (1, [1, "25%", "100%"], [1]),
        (5, [100], [5]),
        (0, [1], []),
    ],
)
def test_known_plans(total: int, serial: list[int | str], sizes: list[int]) -> None:
    assert batch_sizes(total, serial) == sizes


@pytest.mark.parametrize(
    "serial", [[], [0], [-1], ["0%"], ["101%"], ["1.5%"], ["x"], ["%"], [True], ["5"], [1] * 101], ids=str
)
def test_values_out_of_range_are_refused_even_if_not_reached(serial: list[int | str]) -> None:
    with pytest.raises(UsageError, match="serial"):
        check_serial(serial)
    if serial and len(serial) < 100:
        with pytest.raises(UsageError, match="serial"):
            check_serial(["100%", *serial])


@pytest.mark.parametrize(
    ("text", "total", "allowed"),
    [
        ("0", 10, 0),
        ("2", 10, 2),
        ("10%", 10, 1),
        ("10%", 19, 1),
        ("0%", 9, 0),
        ("100%", 7, 7),
        ("29%", 100, 29),
    ],
)
def test_allowed_failures(text: str, total: int, allowed: int) -> None:
    assert allowed_failures(text, total) == allowed


@pytest.mark.parametrize("text", ["", "-1", "x", "101%", "1.5", "5 %", "٣", "9999999"])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="neither a count nor a percentage"):
        allowed_failures(text, 10)
