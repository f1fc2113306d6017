"""Batches of a rollout, by the arithmetic of Ansible's `serial`, and thresholds. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ota_py.errors import UsageError

GATEWAYS_MAX = 100_000
SERIAL_MAX = 100
# Not given: one gateway alone, then a quarter, then the rest.
SERIAL_DEFAULT: tuple[int | str, ...] = (1, "25%", "100%")
EXAMPLE = '[1, "25%", "100%"]'


def batch_sizes(total: int, serial: Sequence[int | str]) -> list[int]:
    """The sizes of the batches into which `total` gateways are cut.

    A percentage is of the total, floored, at least one; the last value repeats until all have a batch.
    This is ansible-core's `serial`, to the rounding of its floats: the play must cut the list alike.

    Raises:
        UsageError: a value that is neither a count from 1 nor a percentage from 1% to 100%, or none at all.
    """
    if not 1 <= len(serial) <= SERIAL_MAX:
        raise UsageError(
            f"serial has {len(serial)} values, and may have 1 to {SERIAL_MAX}", hint=f"for example {EXAMPLE}"
        )
    sizes: list[int] = []
    left = total
    while left > 0:
        value = serial[min(len(sizes), len(serial) - 1)]
        sizes.append(min(_size(value, total), left))
        left -= sizes[-1]
    return sizes


def check_serial(serial: Sequence[int | str]) -> None:
    """Check all values of `serial`, also those that a short list of gateways would not reach.

    Raises:
        UsageError: as `batch_sizes`.
    """
    batch_sizes(0, serial)
    for value in serial:
        _size(value, GATEWAYS_MAX)


def allowed_failures(text: str, total: int) -> int:
    """The number of gateways among `total` that may fail: `"2"` is a count, `"10%"` a percentage, floored.

    Raises:
        UsageError: the text is neither.
    """
    match = re.fullmatch(r"([0-9]{1,6})(%?)", text)
    if not match or (match[2] and int(match[1]) > 100):
        raise UsageError(f"max_failures {text[:20]!r} is neither a count nor a percentage", hint="for example 2 or 10%")
    return total * int(match[1]) // 100 if match[2] else int(match[1])


def _size(value: int | str, total: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= GATEWAYS_MAX:
        return value
    match = re.fullmatch(r"([0-9]{1,3})%", value) if isinstance(value, str) else None
    if not match or not 1 <= int(match[1]) <= 100:
        raise UsageError(
            f"serial value {value!r:.40} is neither a count from 1 nor a percentage from 1% to 100%",
            hint=f"for example {EXAMPLE}",
        )
    # Float arithmetic on purpose: ansible-core's pct_to_int has it, and 29% of 100 is 28 there.
    return int((int(match[1]) / 100.0) * total) or 1
