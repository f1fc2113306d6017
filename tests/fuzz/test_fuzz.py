"""A short run of every target, always with the same inputs (A24); and that a bad target is found out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.limits import Hang, bounded
from tests.fuzz.targets import TARGETS, Call, Target

# Inputs for each target; together with the corpus some ten seconds.
SHORT = {"api": 40, "compose": 15}
SHORT_OTHERS = 80

pytestmark = [
    pytest.mark.case("A21", "A23", "A24"),
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::ruamel.yaml.error.YAMLWarning"),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Refused requests are not logged here; what a long run switches off is on again for other tests."""
    requests = logging.getLogger("django.request")
    level = requests.level
    requests.setLevel(logging.CRITICAL)
    yield
    requests.setLevel(level)
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_errors_of_ours_come_out(target: Target, tmp_path: Path) -> None:
    call = target.make(tmp_path)
    for path in target.corpus():
        with bounded():
            call(path.read_bytes())
    run.examples(target, call, SHORT.get(target.name, SHORT_OTHERS))


def target_that(call: Call) -> Target:
    return Target("signature", lambda _: call)


def crashes(data: bytes) -> None:
    if b"\xff" in data:
        raise KeyError("oops")


def hangs(data: bytes) -> None:
    while b"\xff" in data:
        pass


def grows(data: bytes) -> None:
    if b"\xff" in data:
        bytearray(1024**3)


@pytest.mark.parametrize(("call", "words"), [(crashes, "KeyError: 'oops'"), (grows, "MemoryError")])
def test_a_bad_input_is_found_made_small_and_kept(call: Call, words: str, tmp_path: Path) -> None:
    said: list[str] = []
    kept = tmp_path / "kept"
    assert not run.long_run(target_that(call), 60, 1, kept, said.append)
    assert words in said[-1]
    assert b"\xff" in kept.read_bytes()
    assert len(kept.read_bytes()) < 6000


def test_a_hang_is_cut_off() -> None:
    with pytest.raises(Hang, match=r"more than 0\.2 s of processor time"), bounded(seconds=0.2):
        hangs(b"\xff")


def test_a_good_target_says_how_far_it_came_and_keeps_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    began = time.monotonic()
    assert run.long_run(target_that(lambda _: None), 0.1, 1, tmp_path / "kept", said.append)
    assert "executions" in said[-1]
    assert not (tmp_path / "kept").exists()
    assert time.monotonic() - began < 60
