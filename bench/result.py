"""The result of a benchmark: measurements of both sides, and their ratio."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Comparison:
    """Measurements of the project against what a user would pick instead.

    Attributes:
        name: what was measured.
        unit: of `ours` and `theirs`.
        ours, theirs: single measurements, in the order in which they were taken, alternately.
        against: what `theirs` is.
        mark: the limit of the ratio of medians, or None where none is set.
        better: whether a mark is an upper limit ("lower" is better) or a lower one.
    """

    name: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    against: str
    mark: float | None = None
    better: Literal["lower", "higher"] = "lower"
    note: str = ""

    @property
    def ratio(self) -> float:
        """The median of ours divided by the median of theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def passed(self) -> bool:
        """Whether the mark holds; true where none is set."""
        if self.mark is None:
            return True
        return self.ratio <= self.mark if self.better == "lower" else self.ratio >= self.mark

    def as_dict(self) -> dict[str, Any]:
        """The comparison as JSON data, for programs."""
        return {
            **asdict(self),
            "ours_median": statistics.median(self.ours),
            "theirs_median": statistics.median(self.theirs),
            "ratio": self.ratio,
            "passed": self.passed,
        }
