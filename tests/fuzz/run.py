"""Running a target: many inputs near its corpus, each within limits; the first bad one is kept."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.limits import bounded
from tests.fuzz.mutations import near
from tests.fuzz.targets import Call, Target

ROUND = 200
Told = Callable[[str], None]


def examples(target: Target, call: Call, number: int, random_seed: int | None = None) -> int:
    """Try `number` inputs; those of a seed, or without one always the same.

    Returns:
        How many were tried.

    Raises:
        Exception: what the target let pass, for the smallest input found that does so.
    """
    tried = 0

    def attempt(data: bytes) -> None:
        nonlocal tried
        tried += 1
        with bounded():
            call(data)

    corpus = [path.read_bytes() for path in target.corpus()]
    configured = settings(
        max_examples=number,
        derandomize=random_seed is None,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    test = configured(given(data=near(corpus))(attempt))
    (test if random_seed is None else seed(random_seed)(test))()
    return tried


def long_run(target: Target, seconds: float, random_seed: int, kept: Path, tell: Told) -> bool:
    """Try inputs for so long.

    Args:
        kept: the input that is being tried; left there if it is a bad one, or if the process dies of it.

    Returns:
        Whether every input was taken or refused as it should be.
    """
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    tried, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ota-fuzz-") as directory:
        inner = target.make(Path(directory))

        def call(data: bytes) -> None:
            kept.write_bytes(data)
            inner(data)

        while (spent := time.monotonic() - began) < seconds:
            try:
                tried += examples(target, call, ROUND, random_seed + tried)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                tell(f"{target.name}: {type(error).__name__}: {str(error)[:500]}")
                return False
            tell(f"{target.name}: {tried} executions, {tried / (spent or 1):.0f}/s, {spent:.0f} s")
    kept.unlink(missing_ok=True)
    return True
